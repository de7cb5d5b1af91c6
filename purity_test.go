package consensus_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// impurities are what makes a file of an engine depend on more than its inputs, or what could:
// concurrency, the order of a map, output, a clock, a generator that others use too, and
// variables that outlive an engine. They are found in the syntax tree, so the rules are stricter
// than they need be: no maps at all, and no variables but tables and errors.
func impurities(file *ast.File) (found []finding) {
	imports := importNames(file)
	add := func(n ast.Node, what string) { found = append(found, finding{n.Pos(), what}) }
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			add(n, "a go statement")
		case *ast.SelectStmt:
			add(n, "a select")
		case *ast.ChanType:
			add(n, "a channel")
		case *ast.SendStmt:
			add(n, "a send")
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				add(n, "a receive")
			}
		case *ast.MapType:
			add(n, "a map")
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
				add(n, f.Name)
			}
		case *ast.SelectorExpr:
			if name := qualified(imports, n); impureNames(name) {
				add(n, name)
			}
		}
		return true
	})
	for _, v := range packageVariables(file) {
		if !constantTable(imports, v) {
			add(v, "a package-level variable")
		}
	}
	return found
}

// A finding is a place in a file, and what is wrong there.
type finding struct {
	at   token.Pos
	what string
}

// importNames maps the names under which a file knows packages to their paths.
func importNames(file *ast.File) map[string]string {
	names := make(map[string]string)
	for _, spec := range file.Imports {
		path := importPath(spec)
		name := path[strings.LastIndex(path, "/")+1:]
		if path == "math/rand/v2" {
			name = "rand"
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = path
	}
	return names
}

func importPath(spec *ast.ImportSpec) string {
	path, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		panic(err) // the parser has accepted it
	}
	return path
}

// qualified is the path and name of what n selects from a package, or "".
func qualified(imports map[string]string, n *ast.SelectorExpr) string {
	if x, ok := n.X.(*ast.Ident); ok && imports[x.Name] != "" {
		return imports[x.Name] + "." + n.Sel.Name
	}
	return ""
}

// seeded is what an engine may use of math/rand/v2: generators of its own, made from a seed.
var seeded = []string{"New", "NewPCG", "NewChaCha8", "Rand", "PCG", "ChaCha8", "Source"}

// wallClock is what depends on when a program runs.
var wallClock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// impureNames reports whether name, of a package, writes, draws from a shared generator or reads
// the clock.
func impureNames(name string) bool {
	if f, ok := strings.CutPrefix(name, "fmt."); ok {
		return strings.HasPrefix(f, "Print") || strings.HasPrefix(f, "Scan") // the others read and write what they are given
	}
	if f, ok := strings.CutPrefix(name, "math/rand/v2."); ok {
		return !slices.Contains(seeded, f)
	}
	return readsClock(name)
}

func readsClock(name string) bool {
	f, ok := strings.CutPrefix(name, "time.")
	return ok && slices.Contains(wallClock, f)
}

// packageVariables are the variables of a file's top level, but for those named _.
func packageVariables(file *ast.File) (vars []*ast.ValueSpec) {
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if slices.ContainsFunc(v.Names, func(n *ast.Ident) bool { return n.Name != "_" }) {
				vars = append(vars, v)
			}
		}
	}
	return vars
}

// constantTable reports whether every value of v is an array written out, or an error.
func constantTable(imports map[string]string, v *ast.ValueSpec) bool {
	return len(v.Values) == len(v.Names) && !slices.ContainsFunc(v.Values, func(value ast.Expr) bool {
		switch value := value.(type) {
		case *ast.CompositeLit:
			a, ok := value.Type.(*ast.ArrayType)
			return !ok || a.Len == nil // a slice
		case *ast.CallExpr:
			f, ok := value.Fun.(*ast.SelectorExpr)
			return !ok || qualified(imports, f) != "errors.New"
		}
		return true
	})
}

// liberties are what a file of the simulator may do that the others may not.
type liberties struct {
	goStatements int
	clock        bool
}

// simLiberties: a campaign runs its seeds on all cores, and tells how long that took.
var simLiberties = map[string]liberties{"sim/campaign.go": {goStatements: 1, clock: true}}

// unruly is what a file of the simulator must not do: start goroutines, read the wall clock, or
// draw from a generator whose choices are not recorded.
func unruly(file *ast.File, may liberties) (found []finding) {
	imports := importNames(file)
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			if may.goStatements--; may.goStatements < 0 {
				found = append(found, finding{n.Pos(), "a go statement"})
			}
		case *ast.SelectorExpr:
			name := qualified(imports, n)
			if readsClock(name) && !may.clock || strings.HasPrefix(name, "math/rand/v2.") && impureNames(name) {
				found = append(found, finding{n.Pos(), name})
			}
		}
		return true
	})
	return found
}

func TestTheEnginesArePure(t *testing.T) {
	for _, f := range productFiles(t) {
		if f.dir == "raft" || f.dir == "paxos" {
			f.requireNone(t, impurities(f.syntax))
		}
	}
}

func TestASimulationIsOneGoroutineWithoutAClock(t *testing.T) {
	for _, f := range productFiles(t) {
		if f.dir == "sim" {
			f.requireNone(t, unruly(f.syntax, simLiberties[f.path]))
		}
	}
}

func TestTheCheckOfPurityBites(t *testing.T) {
	const engine = "package raft\nimport (\"fmt\"; \"errors\"; \"time\"; \"math/rand/v2\")\nvar _ = fmt.Sprint(time.Second, errors.New, rand.New)\n"
	for source, want := range map[string]string{
		"func f() { go f() }":                                  "a go statement",
		"func f() { select {} }":                               "a select",
		"var _ chan int":                                       "a channel",
		"func f(c C) { c <- 1 }":                               "a send",
		"func f(c C) { <-c }":                                  "a receive",
		"func f(c C) { for range <-c {} }":                     "a receive",
		"var _ map[int]int":                                    "a map",
		"func f() { _ = make(map[int]int) }":                   "a map",
		"func f() { println(1) }":                              "println",
		"func f() { print(1) }":                                "print",
		"func f() { fmt.Printf(``) }":                          "fmt.Printf",
		"func f() { fmt.Scanln(nil) }":                         "fmt.Scanln",
		"func f(w W) { fmt.Fprintf(w, ``) }":                   "",
		"func f() int { return rand.IntN(3) }":                 "math/rand/v2.IntN",
		"func f() { _ = rand.Shuffle }":                        "math/rand/v2.Shuffle",
		"func f() { time.Now() }":                              "time.Now",
		"func f() { _ = time.Since }":                          "time.Since",
		"var count int":                                        "a package-level variable",
		"var table = []int{1}":                                 "a package-level variable",
		"var a, b = [1]int{1}, f()":                            "a package-level variable",
		"var _, c = 1, 2":                                      "a package-level variable",
		"var errs = fmt.Errorf(``)":                            "a package-level variable",
		"var _ = 1":                                            "",
		"var table = [...]string{2: `b`}":                      "",
		"var err = errors.New(``)":                             "",
		"func f(r *rand.Rand) int { return r.IntN(3) }":        "",
		"func f() { rand.New(rand.NewPCG(1, 2)) }":             "",
		"func f() string { return fmt.Sprintf(``) }":           "",
		"func f(time T) { time.Add(1) }":                       "",
		"type T struct{ d time.Duration; rand.Source }":        "",
		"func f(xs []int) { for range xs {}; for range 3 {} }": "",
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "raft.go", engine+source, 0)
		require.NoError(t, err, source)
		found := impurities(file)
		if want == "" {
			require.Empty(t, found, source)
			continue
		}
		require.Len(t, found, 1, source)
		require.Equal(t, want, found[0].what, source)
	}
}

func TestTheCheckOfTheSimulatorBites(t *testing.T) {
	const source = "package sim\nimport (\"time\"; \"math/rand/v2\")\nfunc f() { go f(); time.Sleep(1); rand.Int(); _ = time.Second; rand.New(nil) }\n"
	file, err := parser.ParseFile(token.NewFileSet(), "sim.go", source, 0)
	require.NoError(t, err)
	var what []string
	for _, f := range unruly(file, liberties{}) {
		what = append(what, f.what)
	}
	require.Equal(t, []string{"a go statement", "time.Sleep", "math/rand/v2.Int"}, what)
	require.Len(t, unruly(file, liberties{goStatements: 1}), 2)
	require.Len(t, unruly(file, liberties{clock: true}), 2)
}
