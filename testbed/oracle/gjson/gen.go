package main

import (
	"math/rand/v2"
	"strings"
)

// generate makes random documents and paths that fit them often, and breaks some of both.
func generate(seed uint64, count int) []testCase {
	g := &generator{rand.New(rand.NewPCG(seed, 0))}
	out := make([]testCase, count)
	for i := range out {
		out[i] = testCase{JSON: g.document(), Path: g.path(3)}
		if g.one(6) {
			out[i].JSON = g.broken(out[i].JSON, `{}[]()",:\ 0-truefalsn.eE`)
		}
		if g.one(6) {
			out[i].Path = g.broken(out[i].Path, `.|#()[]{}@:"\*?=!<>%~, 01a`)
		}
	}
	return out
}

type generator struct{ *rand.Rand }

func (g *generator) one(in int) bool { return g.IntN(in) == 0 }

func (g *generator) pick(list ...string) string { return list[g.IntN(len(list))] }

var names = []string{"a", "b", "c", "ab", "abc", "a.b", "a*b", "é", "first name", "0", "1", "", "@this", "x|y", "#", "a\\\\b"}

func (g *generator) name() string {
	if g.IntN(3) > 0 {
		return g.pick("a", "b", "c")
	}
	return g.pick(names...)
}

func (g *generator) space() string {
	if g.one(5) {
		return g.pick(" ", "\n", "\t", "  ")
	}
	return ""
}

func (g *generator) text() string {
	return `"` + g.pick("", "a", "b", "abc", "é", "x y", `\n`, `\"`, `\\`, `\u00e9`, `\ud83d\ude00`, `\ud800`, "true", "0", "1",
		"{a}", "]", `a\/b`, "<&>", `\\\"`, "F", "2020-01-01") + `"`
}

func (g *generator) scalar() string {
	switch g.IntN(8) {
	case 0:
		return g.pick("true", "false", "null")
	case 1, 2, 3:
		return g.text()
	case 4:
		return g.pick("1.50", "1e3", "-0", "-0.0", "1E+2", "0.1", "12345678901234567890", "9007199254740993", "1e400", "1e-7",
			"123456789.125", "-5", "1e21", "NaN", "Inf", "-Inf", "nan", "+1", "01", "1.", "1_0", "0x10", "tru", "nul", "falsey")
	default:
		return g.pick("0", "1", "2", "3", "7", "10", "42")
	}
}

func (g *generator) value(depth int) string {
	if depth == 0 || g.one(3) {
		return g.scalar()
	}
	var out strings.Builder
	n := g.IntN(5)
	if g.one(2) {
		out.WriteString("[" + g.space())
		for i := range n {
			if i > 0 {
				out.WriteString("," + g.space())
			}
			out.WriteString(g.value(depth-1) + g.space())
		}
		return out.String() + "]"
	}
	out.WriteString("{" + g.space())
	for i := range n {
		if i > 0 {
			out.WriteString("," + g.space())
		}
		out.WriteString(`"` + g.name() + `"` + g.space() + ":" + g.space() + g.value(depth-1) + g.space())
	}
	return out.String() + "}"
}

// records is an array of objects with the same keys, which queries are for.
func (g *generator) records() string {
	var items []string
	for range g.IntN(5) {
		items = append(items, `{"a":`+g.scalar()+`,"b":`+g.value(1)+`,"c":`+g.value(2)+"}")
	}
	return "[" + strings.Join(items, ",") + "]"
}

func (g *generator) document() string {
	switch g.IntN(8) {
	case 0:
		return g.space() + g.scalar()
	case 1:
		return g.records()
	case 2:
		return `{"a":` + g.records() + `,"b":` + g.value(2) + "}"
	case 3:
		return g.value(2) + "\n" + g.value(2) + "\n" + g.value(1)
	default:
		return g.space() + g.value(4)
	}
}

func (g *generator) path(depth int) string {
	parts := []string{g.component(depth)}
	for g.IntN(5) < 3 && len(parts) < 6 {
		parts = append(parts, g.pick(".", ".", ".", "|")+g.component(depth))
	}
	if g.one(25) {
		return ".." + strings.Join(parts, "")
	}
	return strings.Join(parts, "")
}

func (g *generator) component(depth int) string {
	switch n := g.IntN(20); {
	case n < 6:
		return g.escaped(g.name())
	case n < 8:
		return g.pick("0", "1", "2", "10", "-1", "01")
	case n < 10:
		return g.pick("*", "?", "a*", "*b", "a?c", "?*", "*a*", `a\*`, `\?`, `**`, `*\`, "é?")
	case n < 12:
		return "#"
	case n < 15 && depth > 0:
		return "#" + g.query(depth-1) + g.pick("", "", "#", "#")
	case n < 18:
		return g.modifier(depth)
	case n < 19 && depth > 0:
		return g.multipath(depth - 1)
	default:
		return g.pick(`!"text"`, "!1", "!true", "!null", "![1,2]", `!{"a":1}`, "!nan", "!x", "!-5")
	}
}

func (g *generator) escaped(name string) string {
	if g.one(4) {
		return name
	}
	return strings.NewReplacer(".", `\.`, "|", `\|`, "*", `\*`, "#", `\#`, "@", `\@`).Replace(name)
}

func (g *generator) query(depth int) string {
	path := ""
	if g.IntN(3) > 0 {
		path = g.pick("a", "b", "c", "a", "b", "b.a")
		if g.one(5) {
			path = g.path(depth)
		}
	}
	operator := g.pick("==", "=", "!=", "<", "<=", ">", ">=", "%", "!%", "", "===", "!", "=>")
	value := g.pick("1", "2", "10", `"a"`, "a", `"*a*"`, `"a*"`, "true", "false", "null", `"\u00e9"`, `"é"`, "~true", "~false",
		"~null", "~*", "~x", "1.5", "", `"true"`, `"x y"`, "1e3", `"`, `b`, `"\\"`)
	if operator == "" {
		value = ""
	}
	open, end := "(", ")"
	if g.one(8) {
		open, end = "[", "]"
	}
	return open + g.space() + path + g.space() + operator + g.space() + value + g.space() + end
}

func (g *generator) modifier(depth int) string {
	out := "@" + g.pick("this", "reverse", "ugly", "pretty", "flatten", "join", "valid", "keys", "values", "tostr", "fromstr", "group",
		"dig", "none", "")
	if g.one(2) {
		return out
	}
	return out + ":" + g.pick(`{"deep":true}`, `{"preserve":true}`, `{"sortKeys":true}`, `{"indent":"\t","prefix":" "}`,
		`{"width":5}`, `{"width":0}`, `{"width":-1,"sortKeys":true}`, `{"width":"20","indent":""}`, "a", "b", "#", `"a"`, "[1]", "a.b",
		"{", `{"deep":1}`, `{"deep":"T"}`, "", "x(y|z)", g.component(0))
}

func (g *generator) multipath(depth int) string {
	var items []string
	for range 1 + g.IntN(3) {
		item := g.path(depth)
		if g.one(3) {
			item = g.pick(`"k":`, "k:", `"a\"b":`, `"é<":`, `"":`, "@k:") + item
		}
		items = append(items, item)
	}
	if g.one(2) {
		return "[" + strings.Join(items, ",") + "]"
	}
	return "{" + strings.Join(items, ",") + "}"
}

// broken removes, doubles, replaces or inserts a few characters.
func (g *generator) broken(text, alphabet string) string {
	runes := []rune(text)
	for range 1 + g.IntN(2) {
		if len(runes) == 0 {
			return string(alphabet[g.IntN(len(alphabet))])
		}
		i := g.IntN(len(runes))
		switch c := rune(alphabet[g.IntN(len(alphabet))]); g.IntN(4) {
		case 0:
			runes = append(runes[:i], runes[i+1:]...)
		case 1:
			runes[i] = c
		case 2:
			runes = runes[:i]
		default:
			runes = append(runes[:i], append([]rune{c}, runes[i:]...)...)
		}
	}
	return string(runes)
}
