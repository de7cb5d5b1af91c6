package mutants

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Apply returns the text of every file that m changes, as m changes it, by its path from root.
// It writes nothing. An error names the mutant, its file, and the source that it does not fit.
func (m *Mutant) Apply(root string) (map[string]string, error) {
	changed := make(map[string]string)
	for _, r := range m.Replacements {
		if _, done := changed[r.File]; done {
			continue
		}
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(r.File)))
		if err != nil {
			return nil, m.errorf(r, "%v", err)
		}
		if changed[r.File], err = m.replace(r.File, string(source)); err != nil {
			return nil, err
		}
	}
	return changed, nil
}

func (m *Mutant) errorf(r Replacement, format string, args ...any) error {
	return fmt.Errorf("mutant %s (%s:%d): %s", m.Name, m.File, r.Line, fmt.Sprintf(format, args...))
}

// replace makes every replacement of one file, in its text as it was before any of them.
func (m *Mutant) replace(file, source string) (string, error) {
	type span struct {
		Replacement
		from, to int
	}
	var spans []span
	for _, r := range m.Replacements {
		if r.File != file {
			continue
		}
		at := find(source, r.Old)
		if len(at) != 1 {
			return "", m.errorf(r, "the old text stands %d times in %s, not once", len(at), file)
		}
		spans = append(spans, span{r, at[0], at[0] + len(r.Old)})
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var b strings.Builder
	done := 0
	for _, s := range spans {
		if s.from < done {
			return "", m.errorf(s.Replacement, "the old text overlaps that of another replacement in %s", file)
		}
		b.WriteString(source[done:s.from])
		b.WriteString(s.New)
		done = s.to
	}
	b.WriteString(source[done:])
	return b.String(), nil
}

// find returns where old stands in source as whole lines, overlapping finds included.
func find(source, old string) (at []int) {
	for from := 0; ; {
		i := strings.Index(source[from:], old)
		if i < 0 {
			return at
		}
		if i += from; i == 0 || source[i-1] == '\n' {
			at = append(at, i)
		}
		from = i + 1
	}
}

// Overlay writes what m changes into dir, and the file that go build -overlay takes, which it
// returns the path of.
func (m *Mutant) Overlay(root, dir string) (string, error) {
	changed, err := m.Apply(root)
	if err != nil {
		return "", err
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = make(map[string]string)
	for file, text := range changed {
		path := filepath.Join(dir, "source", filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return "", err
		}
		overlay.Replace[filepath.Join(root, filepath.FromSlash(file))] = path
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o644)
}
