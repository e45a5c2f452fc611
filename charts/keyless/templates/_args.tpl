{{/* The operator's command line. */}}
{{- define "keyless.args" -}}
- controller
{{- if .Values.leaderElect }}
- --enable-leader-election=true
{{- with .Values.leaderElectionID }}
- --leader-election-id={{ . }}
{{- end }}
{{- with .Values.leaderElectionLeaseDuration }}
- --leader-election-lease-duration={{ . }}
{{- end }}
{{- with .Values.leaderElectionRenewDeadline }}
- --leader-election-renew-deadline={{ . }}
{{- end }}
{{- with .Values.leaderElectionRetryPeriod }}
- --leader-election-retry-period={{ . }}
{{- end }}
{{- end }}
{{- with .Values.scopedNamespace }}
- --namespace={{ . }}
{{- end }}
{{- if and (eq .Values.rbac.profile "least") (not .Values.scopedNamespace) .Values.rbac.namespaces }}
- --secret-namespaces={{ join "," .Values.rbac.namespaces }}
{{- end }}
{{- if not .Values.processSecretStore }}
- --enable-secret-store-reconciler=false
{{- end }}
{{- if not (include "keyless.clusterStores" .) }}
- --enable-cluster-store-reconciler=false
{{- end }}
{{- if not (include "keyless.clusterExternalSecrets" .) }}
- --enable-cluster-external-secret-reconciler=false
{{- end }}
{{- with .Values.controllerClass }}
- --controller-class={{ . }}
{{- end }}
{{- if .Values.extendedMetricLabels }}
- --enable-extended-metric-labels=true
{{- end }}
{{- with .Values.storeRequeueInterval }}
- --store-requeue-interval={{ . }}
{{- end }}
{{- if .Values.genericTargets.enabled }}
- --unsafe-allow-generic-targets=true
{{- end }}
{{- with .Values.concurrent }}
- --concurrent={{ int . }}
{{- end }}
- --loglevel={{ .Values.log.level }}
- --metrics-addr=:{{ .Values.metrics.listen.port }}
- --live-addr={{ .Values.livenessProbe.spec.address }}:{{ .Values.livenessProbe.spec.httpGet.port }}
{{- range $key, $value := .Values.extraArgs }}
{{- if or (kindIs "invalid" $value) (eq (toString $value) "") }}
- --{{ $key }}
{{- else }}
- {{ printf "--%s=%v" $key $value | quote }}
{{- end }}
{{- end }}
{{- end }}
