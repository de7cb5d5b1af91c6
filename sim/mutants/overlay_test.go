package mutants

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const source = "one\ntwo\n\ttwo\nthree\ntwo-and-a-half\n"

func apply(t *testing.T, rs ...Replacement) (string, error) {
	t.Helper()
	root := t.TempDir()
	write(t, root, "x/y.go", source)
	m := Mutant{Name: "m", File: "m.txt", Replacements: rs}
	changed, err := m.Apply(root)
	return changed["x/y.go"], err
}

func TestApplyReplacesWholeLinesOfTheOriginal(t *testing.T) {
	got, err := apply(t,
		Replacement{File: "x/y.go", Old: "three\n", New: "one\n"}, // and is not found by the next one
		Replacement{File: "x/y.go", Old: "one\ntwo\n", New: "ONE\n"},
		Replacement{File: "x/y.go", Old: "two-and-a-half\n"},
	)
	require.NoError(t, err)
	require.Equal(t, "ONE\n\ttwo\none\n", got)
}

func TestApplyTellsLinesApartByTheirIndentation(t *testing.T) {
	got, err := apply(t, Replacement{File: "x/y.go", Old: "two\n", New: "2\n"})
	require.NoError(t, err)
	require.Equal(t, "one\n2\n\ttwo\nthree\ntwo-and-a-half\n", got)
}

func TestApplyRefusesWhatDoesNotFitExactlyOnce(t *testing.T) {
	_, err := apply(t, Replacement{File: "x/y.go", Old: "four\n", Line: 7})
	require.EqualError(t, err, "mutant m (m.txt:7): the old text stands 0 times in x/y.go, not once")

	root := t.TempDir()
	write(t, root, "z.go", "a\na\na\n")
	m := Mutant{Name: "m", File: "m.txt", Replacements: []Replacement{{File: "z.go", Old: "a\na\n", Line: 3}}}
	_, err = m.Apply(root)
	require.EqualError(t, err, "mutant m (m.txt:3): the old text stands 2 times in z.go, not once")

	_, err = apply(t,
		Replacement{File: "x/y.go", Old: "one\ntwo\n", New: "1\n", Line: 7},
		Replacement{File: "x/y.go", Old: "two\n\ttwo\n", New: "2\n", Line: 9})
	require.EqualError(t, err, "mutant m (m.txt:9): the old text overlaps that of another replacement in x/y.go")

	_, err = apply(t, Replacement{File: "x/no.go", Old: "one\n", Line: 7})
	require.ErrorContains(t, err, "mutant m (m.txt:7): ")
	require.ErrorContains(t, err, "no.go")
}

func TestOverlayNamesWhatReplacesWhatAndLeavesTheSourceAlone(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	write(t, root, "x/y.go", source)
	m := Mutant{Name: "m", Replacements: []Replacement{{File: "x/y.go", Old: "one\n", New: "1\n"}}}
	path, err := m.Overlay(root, dir)
	require.NoError(t, err)

	var overlay struct{ Replace map[string]string }
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &overlay))
	original := filepath.Join(root, "x", "y.go")
	require.Len(t, overlay.Replace, 1)

	mutated, err := os.ReadFile(overlay.Replace[original])
	require.NoError(t, err)
	require.Equal(t, "1"+source[len("one"):], string(mutated))
	untouched, err := os.ReadFile(original)
	require.NoError(t, err)
	require.Equal(t, source, string(untouched))
}
