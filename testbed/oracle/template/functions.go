package main

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"golang.org/x/crypto/bcrypt"
	"sigs.k8s.io/yaml"
)

// functions are Sprig's without those that look outside, and External Secrets Operator's own
// as far as published modules offer them.
func functions() template.FuncMap {
	all := sprig.TxtFuncMap()
	for _, outside := range []string{"env", "expandenv", "getHostByName"} {
		delete(all, outside)
	}
	all["hexdec"] = func(text string) string {
		decoded, err := hex.DecodeString(text)
		if err != nil {
			return err.Error()
		}
		return string(decoded)
	}
	all["htpasswd"] = htpasswd
	all["toYaml"] = toYaml
	all["fromYaml"] = fromYaml
	for name, function := range certificateFunctions() {
		all[name] = function
	}
	return all
}

// hashAlgorithm makes text/template refuse anything but a literal, as a named type does there.
type hashAlgorithm string

func htpasswd(user, password string, algorithm hashAlgorithm) string {
	if strings.Contains(user, ":") {
		return "invalid username: " + user
	}
	if algorithm == "sha" {
		sum := sha1.Sum([]byte(password))
		return user + ":{SHA}" + base64.StdEncoding.EncodeToString(sum[:])
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return user + ":failed to encrypt string with bcrypt: " + err.Error()
	}
	return user + ":" + string(hash)
}

func toYaml(value any) string {
	text, err := yaml.Marshal(value)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}

func fromYaml(text string) map[string]any {
	read := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &read); err != nil {
		read["Error"] = err.Error()
	}
	return read
}
