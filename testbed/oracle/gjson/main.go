// Oracle of the crate keyless-gjson: what the Go library answers.
//
// It reads cases.json, a list of {json, path}, and writes expected.json, a list of
// {exists, text, raw} in the same order; text is Result.String(). A case on which the Go library
// panics gets {panics: true}. Text that is not UTF-8 is written in base64 under text64 or raw64.
//
// Both files are committed and the crate's tests read them, so Go is needed only to make them anew:
//
//	go run . -dir ../../../crates/gjson/tests
//
// With -generate N the cases are first made anew: those of hand.json, written by people, and N
// random ones from -seed. What is committed was made by
//
//	go run . -dir ../../../crates/gjson/tests -generate 900 -seed 1
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

type testCase struct {
	JSON string `json:"json"`
	Path string `json:"path"`
}

type answer struct {
	Panics bool   `json:"panics,omitempty"`
	Exists bool   `json:"exists"`
	Text   string `json:"text,omitempty"`
	Raw    string `json:"raw,omitempty"`
	Text64 []byte `json:"text64,omitempty"`
	Raw64  []byte `json:"raw64,omitempty"`
}

func ask(c testCase) (a answer) {
	defer func() {
		if recover() != nil {
			a = answer{Panics: true}
		}
	}()
	result := gjson.Get(c.JSON, c.Path)
	a.Exists = result.Exists()
	if text := result.String(); utf8.ValidString(text) {
		a.Text = text
	} else {
		a.Text64 = []byte(text)
	}
	if utf8.ValidString(result.Raw) {
		a.Raw = result.Raw
	} else {
		a.Raw64 = []byte(result.Raw)
	}
	return a
}

func read(path string, into any) {
	bytes, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(bytes, into)
	}
	stop(err)
}

// write puts each element of a list on a line of its own, for readable differences.
func write[T any](path string, list []T) {
	file, err := os.Create(path)
	stop(err)
	encoder := json.NewEncoder(file)
	encoder.SetEscapeHTML(false)
	for i, item := range list {
		_, err = file.WriteString(map[bool]string{true: "[\n", false: ","}[i == 0])
		stop(err)
		stop(encoder.Encode(item))
	}
	_, err = file.WriteString("]\n")
	stop(err)
	stop(file.Close())
}

func stop(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	dir := flag.String("dir", ".", "directory of hand.json, cases.json and expected.json")
	count := flag.Int("generate", 0, "random cases to make after those of hand.json")
	seed := flag.Uint64("seed", 1, "seed of the random cases")
	flag.Parse()
	name := filepath.Join(*dir, "cases.json")
	var cases []testCase
	if *count > 0 {
		read(filepath.Join(*dir, "hand.json"), &cases)
		cases = append(cases, generate(*seed, *count)...)
		write(name, cases)
	}
	cases = nil
	read(name, &cases)
	answers := make([]answer, len(cases))
	for i, c := range cases {
		answers[i] = ask(c)
	}
	write(filepath.Join(*dir, "expected.json"), answers)
}
