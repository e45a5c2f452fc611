package main

import (
	"encoding/hex"
	"text/template"

	"github.com/Masterminds/sprig/v3"
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
	all["toYaml"] = toYaml
	all["fromYaml"] = fromYaml
	for name, function := range certificateFunctions() {
		all[name] = function
	}
	return all
}

func toYaml(value any) (string, error) {
	text, err := yaml.Marshal(value)
	for len(text) > 0 && text[len(text)-1] == '\n' {
		text = text[:len(text)-1]
		break
	}
	return string(text), err
}

func fromYaml(text string) map[string]any {
	read := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &read); err != nil {
		read["Error"] = err.Error()
	}
	return read
}
