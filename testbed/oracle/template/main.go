// Command template answers the template engine's test cases with Go's own text/template and
// Sprig, so that the Rust engine has something outside of itself to be compared with.
//
//	go run . [-cases DIR] [-out FILE]   answer all cases
//	go run . bench [-n N]               render the ten typical templates N times
package main

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"
)

// answer is one line of the output: the case and what Go made of it.
type answer struct {
	Family  string `json:"family"`
	Text    string `json:"tpl"`
	Root    string `json:"root,omitempty"`
	Missing string `json:"missing,omitempty"`
	Left    string `json:"left,omitempty"`
	Right   string `json:"right,omitempty"`
	Plain   bool   `json:"plain,omitempty"`
	Out     string `json:"out,omitempty"`
	OutB64  string `json:"out_b64,omitempty"`
	Kind    string `json:"kind,omitempty"`
	Err     string `json:"err,omitempty"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "bench" {
		bench(os.Args[2:])
		return
	}
	cases := flag.String("cases", "../../../crates/gotemplate/tests/oracle", "folder of *.cases and data.json")
	out := flag.String("out", "../../../crates/gotemplate/tests/oracle/expected.jsonl", "where the answers go")
	flag.Parse()
	files, err := filepath.Glob(filepath.Join(*cases, "*.cases"))
	check(err)
	sort.Strings(files)
	var buffer bytes.Buffer
	total := 0
	for _, file := range files {
		answers, err := readCases(file)
		check(err)
		for _, a := range answers {
			again := a
			// Templates can change the root, so each run gets its own.
			for _, one := range []*answer{&a, &again} {
				roots, err := loadRoots(filepath.Join(*cases, "data.json"))
				check(err)
				one.run(roots)
			}
			if a.Out != again.Out || a.OutB64 != again.OutB64 || a.Kind != again.Kind {
				check(fmt.Errorf("%s: %q gives different answers", file, a.Text))
			}
			line, err := marshal(a)
			check(err)
			buffer.Write(line)
			total++
		}
	}
	check(os.WriteFile(*out, buffer.Bytes(), 0o644))
	fmt.Printf("%d cases\n", total)
}

func marshal(v any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return buffer.Bytes(), err
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run fills in the answer.
func (a *answer) run(roots map[string]any) {
	t := template.New("t").Option("missingkey="+orElse(a.Missing, "error")).Delims(a.Left, a.Right)
	if !a.Plain {
		t = t.Funcs(functions())
	}
	t, err := t.Parse(a.Text)
	if err != nil {
		a.Kind, a.Err = "parse", err.Error()
		return
	}
	var out bytes.Buffer
	err = execute(t, &out, roots[orElse(a.Root, "main")])
	if err != nil {
		a.Kind, a.Err = "execute", err.Error()
		return
	}
	if utf8.Valid(out.Bytes()) {
		a.Out = out.String()
	} else {
		a.OutB64 = base64.StdEncoding.EncodeToString(out.Bytes())
	}
}

// execute turns a panic that escapes text/template into an error.
func execute(t *template.Template, out *bytes.Buffer, root any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return t.Execute(out, root)
}

func orElse(s, or string) string {
	if s == "" {
		return or
	}
	return s
}

// loadRoots reads the named roots: {"text": {...}} are map[string]string, {"json": …} anything.
func loadRoots(file string) (map[string]any, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var in map[string]struct {
		Text map[string]string `json:"text"`
		B64  map[string][]byte `json:"b64"`
		JSON any               `json:"json"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	roots := map[string]any{}
	for name, root := range in {
		if root.Text == nil {
			roots[name] = root.JSON
			continue
		}
		all := map[string]string{}
		for k, v := range root.Text {
			all[k] = v
		}
		for k, v := range root.B64 {
			all[k] = string(v)
		}
		roots[name] = all
	}
	return roots, nil
}

// readCases reads a file of cases: one template per line; a line that starts with a double
// quote is a JSON string. `@root NAME`, `@missing MODE`, `@delims L R` and `@plain` hold until
// the next `@reset`. `* TEMPLATE :: A = x ; y :: B = …` stands for every combination.
func readCases(file string) ([]answer, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	family := strings.TrimSuffix(filepath.Base(file), ".cases")
	var all []answer
	current := answer{Family: family}
	for number, line := range strings.Split(string(raw), "\n") {
		fail := func(err error) error { return fmt.Errorf("%s:%d: %w", file, number+1, err) }
		switch {
		case line == "" || strings.HasPrefix(line, "# "):
		case strings.HasPrefix(line, "@"):
			if err := current.set(strings.Fields(line[1:])); err != nil {
				return nil, fail(err)
			}
		case strings.HasPrefix(line, "* "):
			texts, err := combine(line[2:])
			if err != nil {
				return nil, fail(err)
			}
			for _, text := range texts {
				a := current
				a.Text = text
				all = append(all, a)
			}
		default:
			a := current
			a.Text = line
			if strings.HasPrefix(line, `"`) {
				if err := json.Unmarshal([]byte(line), &a.Text); err != nil {
					return nil, fail(err)
				}
			}
			all = append(all, a)
		}
	}
	return all, nil
}

func (a *answer) set(words []string) error {
	switch {
	case len(words) == 1 && words[0] == "reset":
		*a = answer{Family: a.Family}
	case len(words) == 1 && words[0] == "plain":
		a.Plain = true
	case len(words) == 2 && words[0] == "root":
		a.Root = words[1]
	case len(words) == 2 && words[0] == "missing":
		a.Missing = words[1]
	case len(words) == 3 && words[0] == "delims":
		a.Left, a.Right = words[1], words[2]
	default:
		return errors.New("unknown setting")
	}
	return nil
}

func combine(line string) ([]string, error) {
	parts := strings.Split(line, " :: ")
	texts := parts[:1]
	for _, part := range parts[1:] {
		name, values, ok := strings.Cut(part, " = ")
		if !ok {
			return nil, errors.New("no values")
		}
		var next []string
		for _, text := range texts {
			for _, value := range strings.Split(values, " ; ") {
				next = append(next, strings.ReplaceAll(text, name, strings.TrimSpace(value)))
			}
		}
		texts = next
	}
	return texts, nil
}

// typical is what the Rust benchmark renders too: ten templates and the values they read.
//
//go:embed typical.json
var typical []byte

// bench prints how long the ten templates take together, in nanoseconds.
func bench(args []string) {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	n := flags.Int("n", 10000, "how often")
	check(flags.Parse(args))
	var in struct {
		Data      map[string]string `json:"data"`
		Templates map[string]string `json:"templates"`
	}
	check(json.Unmarshal(typical, &in))
	all := functions()
	parse := func(name, text string) *template.Template {
		return template.Must(template.New(name).Option("missingkey=error").Funcs(all).Parse(text))
	}
	parsed := map[string]*template.Template{}
	for name, text := range in.Templates {
		parsed[name] = parse(name, text)
	}
	figures := map[string]int64{}
	for _, mode := range []string{"parse_and_execute_ns", "execute_ns"} {
		start := time.Now()
		for range *n {
			for name, text := range in.Templates {
				t := parsed[name]
				if mode != "execute_ns" {
					t = parse(name, text)
				}
				var out bytes.Buffer
				check(t.Execute(&out, in.Data))
			}
		}
		figures[mode] = time.Since(start).Nanoseconds() / int64(*n)
	}
	line, err := marshal(figures)
	check(err)
	fmt.Print(string(line))
}
