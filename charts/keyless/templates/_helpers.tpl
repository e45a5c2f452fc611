{{/* Names and labels are those of External Secrets Operator's chart, so that a release is taken over in place. */}}

{{- define "keyless.name" -}}
{{- default "external-secrets" .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "keyless.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default "external-secrets" .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "keyless.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "keyless.selectorLabels" -}}
app.kubernetes.io/name: {{ include "keyless.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "keyless.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "keyless.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
The service account of the pods. With create: false and no name External Secrets Operator's chart
takes `default`, although the account that eksctl makes bears the release's name: that one is
taken where it exists.
*/}}
{{- define "keyless.serviceAccountName" -}}
{{- $fullname := include "keyless.fullname" . }}
{{- if .Values.serviceAccount.name }}
{{- .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create }}
{{- $fullname }}
{{- else if lookup "v1" "ServiceAccount" (include "keyless.namespace" .) $fullname }}
{{- $fullname }}
{{- else }}
{{- "default" }}
{{- end }}
{{- end }}

{{- define "keyless.image" -}}
{{- $repository := default .Values.image.repository .Values.global.repository }}
{{- $tag := default .Chart.AppVersion .Values.image.tag }}
{{- if .Values.image.flavour }}
{{- printf "%s:%s-%s" $repository $tag .Values.image.flavour }}
{{- else }}
{{- printf "%s:%s" $repository $tag }}
{{- end }}
{{- end }}

{{/* A security context without what OpenShift sets itself, where it is found. */}}
{{- define "keyless.securityContext" -}}
{{- $context := omit .securityContext "enabled" }}
{{- $mode := .root.Values.global.compatibility.openshift.adaptSecurityContext }}
{{- if or (eq $mode "force") (and (eq $mode "auto") (.root.Capabilities.APIVersions.Has "security.openshift.io/v1")) }}
{{- $context = omit $context "fsGroup" "runAsUser" "runAsGroup" }}
{{- end }}
{{- if $context }}{{ toYaml $context }}{{ end }}
{{- end }}

{{- define "keyless.clusterStores" -}}
{{- if and .Values.processClusterStore (not .Values.scopedNamespace) }}true{{ end }}
{{- end }}

{{- define "keyless.clusterExternalSecrets" -}}
{{- if and .Values.processClusterExternalSecret (not .Values.scopedNamespace) }}true{{ end }}
{{- end }}

{{- define "keyless.metricsService" -}}
{{- if or .Values.metrics.service.enabled .Values.serviceMonitor.enabled }}true{{ end }}
{{- end }}

{{- define "keyless.serviceMonitor" -}}
{{- $served := .Capabilities.APIVersions.Has "monitoring.coreos.com/v1/ServiceMonitor" }}
{{- $mode := .Values.serviceMonitor.renderMode }}
{{- if .Values.serviceMonitor.enabled }}
{{- if and (eq $mode "failIfMissing") (not $served) }}
{{- fail "serviceMonitor.enabled is true and the cluster does not know ServiceMonitors (monitoring.coreos.com/v1). Install the Prometheus operator's CRDs first, or set serviceMonitor.renderMode to skipIfMissing" }}
{{- end }}
{{- if or $served (eq $mode "alwaysRender") }}true{{ end }}
{{- end }}
{{- end }}

{{/*
Where tokens for service accounts may be created: `all`, or namespaces with a comma. Without an
explicit wish, where stores in the cluster name a service account.
*/}}
{{- define "keyless.tokens" -}}
{{- $wish := .Values.rbac.serviceAccountTokenCreate }}
{{- $found := dict }}
{{- if kindIs "invalid" $wish }}
{{- range .Values.rbac.tokenNamespaces }}{{ $_ := set $found . true }}{{ end }}
{{- if .Capabilities.APIVersions.Has "external-secrets.io/v1/SecretStore" }}
{{- range (lookup "external-secrets.io/v1" "SecretStore" .Values.scopedNamespace "").items }}
{{- if regexMatch "\"(serviceAccountRef|serviceAccount)\":" (toJson .spec.provider) }}{{ $_ := set $found .metadata.namespace true }}{{ end }}
{{- end }}
{{- end }}
{{- if and (include "keyless.clusterStores" .) (.Capabilities.APIVersions.Has "external-secrets.io/v1/ClusterSecretStore") }}
{{- range (lookup "external-secrets.io/v1" "ClusterSecretStore" "" "").items }}
{{- range regexFindAll "\"(serviceAccountRef|serviceAccount)\":\\{[^}]*\\}" (toJson .spec.provider) -1 }}
{{- $account := get (fromJson (printf "{%s}" .)) (index (splitList "\"" .) 1) }}
{{- $_ := set $found (default "*" (get $account "namespace")) true }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (hasKey $found "*") (eq .Values.rbac.profile "compatible") }}all{{ else }}{{ omit $found "*" | keys | sortAlpha | join "," }}{{ end }}
{{- else if $wish }}
{{- if .Values.scopedNamespace }}{{ .Values.scopedNamespace }}{{ else if eq .Values.rbac.profile "least" }}{{ join "," .Values.rbac.namespaces }}{{ else }}all{{ end }}
{{- end }}
{{- end }}

{{/*
Rules of a role, from the table that the program itself generates. `places` says which, `needs`
what is in use.
*/}}
{{- define "keyless.rules" -}}
{{- $places := .places }}
{{- $needs := .needs }}
{{- range .root.Files.Get "files/rights.yaml" | fromYamlArray }}
{{- if and (has .place $places) (has .need $needs) }}
# {{ .why }}
- apiGroups: {{ toJson .apiGroups }}
  resources: {{ toJson .resources }}
  verbs: {{ toJson .verbs }}
{{- end }}
{{- end }}
{{- end }}

{{/* A role and its binding to the operator: name, namespace (empty for a cluster role), rules. */}}
{{- define "keyless.role" -}}
{{- $kind := ternary "Role" "ClusterRole" (ne .namespace "") }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "keyless.labels" .root | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "keyless.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "keyless.serviceAccountName" .root }}
    namespace: {{ include "keyless.namespace" .root }}
{{ end }}

{{/* Values of External Secrets Operator's chart that mean nothing here, as far as they are set. */}}
{{- define "keyless.ignored" -}}
{{- $set := list }}
{{- range (.Files.Get "files/known-values.yaml" | fromYaml).ignored }}
{{- if hasKey $.Values . }}{{ $set = append $set . }}{{ end }}
{{- end }}
{{- range list "createClusterGenerator" "createClusterPushSecret" "createPushSecret" "conversion" "unsafeServeV1Beta1" }}
{{- if hasKey $.Values.crds . }}{{ $set = append $set (printf "crds.%s" .) }}{{ end }}
{{- end }}
{{- if hasKey .Values.log "timeEncoding" }}{{ $set = append $set "log.timeEncoding" }}{{ end }}
{{- if hasKey .Values.metrics.listen "secure" }}{{ $set = append $set "metrics.listen.secure" }}{{ end }}
{{- if hasKey .Values.metrics.listen "auth" }}{{ $set = append $set "metrics.listen.auth" }}{{ end }}
{{- if .Values.scopedRBAC }}{{ if not .Values.scopedNamespace }}{{ $set = append $set "scopedRBAC (without scopedNamespace)" }}{{ end }}{{ end }}
{{- join ", " $set }}
{{- end }}

{{/* Values that nobody knows: a typing error, or of another version of another chart. */}}
{{- define "keyless.unknown" -}}
{{- $known := .Files.Get "files/known-values.yaml" | fromYaml }}
{{- $unknown := list }}
{{- range keys .Values | sortAlpha }}
{{- if not (or (has . $known.own) (has . $known.ignored)) }}{{ $unknown = append $unknown . }}{{ end }}
{{- end }}
{{- join ", " $unknown }}
{{- end }}
