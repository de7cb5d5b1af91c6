package mutants

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const figure8 = `name: figure-8
protocol: raft
breaks: only an entry of the current term commits
seen: logcabin #44

A leader of term 4 counts copies of an entry of term 2.

--- raft/commit.go
	if term != r.term {
		return
	}
+++
--- raft/commit.go
	a()
+++
	b()

	c()
`

func TestParseReadsEveryPart(t *testing.T) {
	m, err := Parse("f.txt", figure8)
	require.NoError(t, err)
	require.Equal(t, Mutant{
		File: "f.txt", Name: "figure-8", Protocol: "raft",
		Breaks: "only an entry of the current term commits", Seen: "logcabin #44",
		Replacements: []Replacement{
			{File: "raft/commit.go", Old: "\tif term != r.term {\n\t\treturn\n\t}\n", Line: 8},
			{File: "raft/commit.go", Old: "\ta()\n", New: "\tb()\n\n\tc()\n", Line: 13},
		},
	}, m)
}

func TestParseEndsALastLineThatHasNoEnd(t *testing.T) {
	m, err := Parse("f.txt", "name: a\nprotocol: raft\nbreaks: b\n--- x.go\nold\n+++\nnew")
	require.NoError(t, err)
	require.Equal(t, []Replacement{{File: "x.go", Old: "old\n", New: "new\n", Line: 4}}, m.Replacements)
}

func TestParseRefusesWithTheFileAndTheLine(t *testing.T) {
	const fields = "name: a\nprotocol: raft\nbreaks: b\n\n"
	for name, c := range map[string]struct{ text, err string }{
		"empty":             {"", `f.txt:0: the field "name" is missing`},
		"no protocol":       {"name: a\nbreaks: b\n\n", `f.txt:2: the field "protocol" is missing`},
		"no rule":           {"name: a\nprotocol: raft\n\n", `f.txt:2: the field "breaks" is missing`},
		"no colon":          {"name a\n", `f.txt:1: "name a" is no field: want KEY: VALUE, and a blank line after the last one`},
		"unknown field":     {"nom: a\n", `f.txt:1: unknown field "nom": want name, protocol, breaks or seen`},
		"field twice":       {"name: a\nname: b\n", `f.txt:2: the field "name" is there twice`},
		"empty field":       {"name:\n", `f.txt:1: the field "name" is empty`},
		"strange name":      {"name: A/b\n", `f.txt:1: the name "A/b" holds more than lower case letters, digits and hyphens`},
		"no replacement":    {fields + "prose\n", `f.txt:5: there is no replacement: a line "--- FILE" begins one`},
		"path outside":      {fields + "--- ../x.go\nold\n+++\n", `f.txt:5: "../x.go" is no path inside the module`},
		"absolute path":     {fields + "--- /x.go\nold\n+++\n", `f.txt:5: "/x.go" is no path inside the module`},
		"no path":           {fields + "--- \nold\n+++\n", `f.txt:5: "" is no path inside the module`},
		"no old text":       {fields + "--- x.go\n+++\nnew\n", `f.txt:5: the replacement in x.go has no old text`},
		"no mark":           {fields + "--- x.go\nold\n", `f.txt:6: the replacement in x.go has no line "+++" before its new text`},
		"no mark, and more": {fields + "--- x.go\nold\n--- y.go\n", `f.txt:7: the replacement in x.go has no line "+++" before its new text`},
		"mark too many":     {fields + "--- x.go\nold\n+++\nnew\n+++\n", `f.txt:9: "+++" without a line "--- FILE" before it`},
		"no change":         {fields + "--- x.go\nold\n+++\nold\n", `f.txt:8: the replacement in x.go changes nothing`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("f.txt", c.text)
			require.EqualError(t, err, c.err)
		})
	}
}

func TestLoadReadsAFolderByNameAndProtocol(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "2.txt", "name: b\nprotocol: raft\nbreaks: x\n--- x.go\nold\n+++\n")
	write(t, dir, "3.txt", "name: a\nprotocol: raft\nbreaks: x\n--- x.go\nold\n+++\n")
	write(t, dir, "1.txt", "name: c\nprotocol: paxos\nbreaks: x\n--- x.go\nold\n+++\n")
	write(t, dir, "README", "not a mutant")

	ms, err := Load(dir, "raft")
	require.NoError(t, err)
	require.Len(t, ms, 2)
	require.Equal(t, "a", ms[0].Name)
	require.Equal(t, "b", ms[1].Name)

	write(t, dir, "4.txt", "name: b\nprotocol: raft\nbreaks: x\n--- x.go\nold\n+++\n")
	_, err = Load(dir, "raft")
	require.EqualError(t, err, filepath.Join(dir, "4.txt")+`: the name "b" is taken by `+filepath.Join(dir, "2.txt"))
}

func write(t *testing.T, dir, file, text string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(file))
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}
