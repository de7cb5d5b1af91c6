package mutants

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Parse reads a mutant. The file's name is only for errors, which name the line as well.
func Parse(file, text string) (Mutant, error) {
	m := Mutant{File: file}
	p := parser{file: file, lines: strings.SplitAfter(text, "\n")}
	if err := p.fields(&m); err != nil {
		return m, err
	}
	for p.more() && !strings.HasPrefix(p.peek(), oldMark) {
		p.next() // prose
	}
	for p.more() {
		r, err := p.replacement()
		if err != nil {
			return m, err
		}
		m.Replacements = append(m.Replacements, r)
	}
	if len(m.Replacements) == 0 {
		return m, p.errorf("there is no replacement: a line %q begins one", oldMark+"FILE")
	}
	return m, nil
}

const (
	oldMark = "--- " // and a file: the old text follows
	newMark = "+++"  // the new text follows
)

type parser struct {
	file  string
	lines []string // each with its line end
	at    int      // how many of them are read
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", p.file, p.at, fmt.Sprintf(format, args...))
}

// more reports whether there is another line; what follows the last line end is none.
func (p *parser) more() bool { return p.at < len(p.lines) && p.lines[p.at] != "" }

func (p *parser) peek() string { return p.lines[p.at] }

func (p *parser) next() string {
	p.at++
	return p.lines[p.at-1]
}

// fields reads the lines up to the first that is blank.
func (p *parser) fields(m *Mutant) error {
	known := map[string]*string{"name": &m.Name, "protocol": &m.Protocol, "breaks": &m.Breaks, "seen": &m.Seen}
	for p.more() && strings.TrimSpace(p.peek()) != "" && !strings.HasPrefix(p.peek(), oldMark) {
		line := strings.TrimSpace(p.next())
		key, value, ok := strings.Cut(line, ":")
		field := known[key]
		switch value = strings.TrimSpace(value); {
		case !ok:
			return p.errorf("%q is no field: want KEY: VALUE, and a blank line after the last one", line)
		case field == nil:
			return p.errorf("unknown field %q: want name, protocol, breaks or seen", key)
		case *field != "":
			return p.errorf("the field %q is there twice", key)
		case value == "":
			return p.errorf("the field %q is empty", key)
		case key == "name" && strings.Trim(value, "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
			return p.errorf("the name %q holds more than lower case letters, digits and hyphens", value)
		}
		*field = value
	}
	for _, key := range []string{"name", "protocol", "breaks"} {
		if *known[key] == "" {
			return p.errorf("the field %q is missing", key)
		}
	}
	return nil
}

// replacement reads a block: the line that names the file, the old lines, the mark, the new ones.
func (p *parser) replacement() (Replacement, error) {
	header := p.next()
	file, ok := strings.CutPrefix(header, oldMark)
	r := Replacement{File: strings.TrimSpace(file), Line: p.at}
	switch {
	case !ok:
		return r, p.errorf("%q without a line %q before it", strings.TrimSpace(header), oldMark+"FILE")
	case !filepath.IsLocal(filepath.FromSlash(r.File)):
		return r, p.errorf("%q is no path inside the module", r.File)
	}
	if r.Old = p.text(); strings.TrimSpace(r.Old) == "" {
		return r, p.errorf("the replacement in %s has no old text", r.File)
	}
	if !p.more() || strings.TrimSpace(p.next()) != newMark {
		return r, p.errorf("the replacement in %s has no line %q before its new text", r.File, newMark)
	}
	if r.New = p.text(); r.New == r.Old {
		return r, p.errorf("the replacement in %s changes nothing", r.File)
	}
	return r, nil
}

// text reads lines up to a mark, and ends the last one if the file does not.
func (p *parser) text() string {
	var b strings.Builder
	for p.more() && !isMark(p.peek()) {
		b.WriteString(strings.TrimSuffix(p.next(), "\n") + "\n")
	}
	return b.String()
}

func isMark(line string) bool {
	return strings.HasPrefix(line, oldMark) || strings.TrimSpace(line) == newMark
}
