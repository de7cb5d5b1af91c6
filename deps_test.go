package consensus_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The architecture, as a test. To change a table here is to change the architecture.

const module = "github.com/consensus-go/consensus"

const (
	errgroup  = "golang.org/x/sync/errgroup"
	porcupine = "github.com/anishathalye/porcupine"
	require_  = "github.com/stretchr/testify/require"
	assert_   = "github.com/stretchr/testify/assert"
	rapid_    = "pgregory.net/rapid"
	scripts   = "github.com/cockroachdb/datadriven"
	redcon    = "github.com/tidwall/redcon"
	btree     = "github.com/tidwall/btree"
)

// std stands for all of the standard library.
const std = "std"

// pure is what an engine may import: nothing there has a clock, goroutines, or input and output.
var pure = []string{"cmp", "encoding/binary", "errors", "fmt", "math", "math/bits", "math/rand/v2", "slices", "strconv", "strings", module}

// floors say what the files of a folder, and of those in it, may import; the longest name holds.
// Everything stands on the root, the engines and implementations on nothing else, and so never on
// one another. Engines come to the simulator as a consensus.NewEngine.
var floors = map[string][]string{
	".":                       {std},
	"raft":                    pure,
	"paxos":                   pure,
	"storage":                 {std, module},
	"storage/crashfs":         {std, module, module + "/storage"},
	"storage/storagetest":     {std, module, require_, rapid_},
	"transport":               {std, module},
	"transport/transporttest": {std, module, require_, assert_},
	"sim":                     {std, module, module + "/storage", module + "/storage/crashfs", porcupine},
	"sim/enginetest":          {std, module, scripts, require_, rapid_},
	"sim/mutants":             {std, module, module + "/sim"},
	"sim/cmd":                 {std, module, module + "/sim", module + "/sim/mutants", module + "/raft", module + "/paxos"},
	"examples":                {std, module, module + "/raft", module + "/paxos", module + "/storage", module + "/transport", module + "/sim"},
	// A module of its own: what it needs besides, nobody who uses the library inherits.
	"examples/kv/torture": {std, module, module + "/transport", porcupine},
	"examples/kv":         {std, module, module + "/raft", module + "/paxos", module + "/storage", module + "/transport", redcon, btree},
}

// exceptions are imports of single files.
var exceptions = map[string]string{"host.go": errgroup, "storage/load.go": errgroup}

// forTests are the modules that tests may use besides what the files that they test may.
var forTests = []string{"github.com/stretchr/testify/", "pgregory.net/", scripts, porcupine, "golang.org/x/sync/"}

// visible is the top level of the repository, beside Go files.
var visible = []string{"LICENSE", "README.md", "go.mod", "go.sum", "examples", "paxos", "raft", "sim", "storage", "transport"}

// allows reports whether the file at name may import path.
func allows(name, imported string) bool {
	if exceptions[name] == imported {
		return true
	}
	dir := path.Dir(name)
	for floors[dir] == nil {
		dir = path.Dir(dir)
	}
	allowed := floors[dir]
	return slices.Contains(allowed, imported) || inStd(imported) && slices.Contains(allowed, std)
}

func inStd(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

func TestEveryPackageStandsOnItsFloor(t *testing.T) {
	for _, f := range productFiles(t) {
		for _, spec := range f.syntax.Imports {
			require.True(t, allows(f.path, importPath(spec)), "%s imports %s", f.path, importPath(spec))
		}
	}
}

func TestTestsUseFewModules(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, spec := range f.syntax.Imports {
			p := importPath(spec)
			ok := inStd(p) || p == module || allows(f.path, p) || strings.HasPrefix(p, module+"/") ||
				slices.ContainsFunc(forTests, func(m string) bool { return strings.HasPrefix(p, m) })
			require.True(t, ok, "%s imports %s", f.path, p)
		}
	}
}

func TestTheCheckOfFloorsBites(t *testing.T) {
	for _, c := range []struct {
		file, imported string
		allowed        bool
	}{
		{"host.go", errgroup, true},
		{"group.go", errgroup, false},
		{"replica.go", module + "/raft", false},
		{"raft/log.go", module, true},
		{"raft/log.go", "slices", true},
		{"raft/log.go", "time", false},
		{"raft/log.go", "sync", false},
		{"raft/log.go", "os", false},
		{"raft/quorum/quorum.go", "os", false},
		{"raft/log.go", module + "/storage", false},
		{"paxos/log.go", module + "/raft", false},
		{"storage/memory.go", "sync", true},
		{"storage/load.go", errgroup, true},
		{"storage/disk.go", errgroup, false},
		{"storage/memory.go", module + "/transport", false},
		{"storage/crashfs/crash.go", module + "/storage", true},
		{"storage/memory.go", module + "/storage/crashfs", false},
		{"storage/storagetest/model.go", rapid_, true},
		{"storage/memory.go", rapid_, false},
		{"sim/disk.go", module + "/storage", true},
		{"sim/world.go", module + "/raft", false},
		{"sim/enginetest/script.go", scripts, true},
		{"sim/enginetest/cluster.go", module + "/raft", false},
		{"sim/cmd/simulate/main.go", module + "/raft", true},
		{"examples/quickstart/main.go", module + "/transport", true},
		{"examples/quickstart/main.go", redcon, false},
		{"examples/kv/server.go", redcon, true},
	} {
		require.Equal(t, c.allowed, allows(c.file, c.imported), "%s imports %s", c.file, c.imported)
	}
}

func TestTheTopLevelHoldsNothingElse(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") || !e.IsDir() && strings.HasSuffix(name, ".go") {
			continue
		}
		if left, _ := os.ReadDir(name); name == "testdata" && len(left) == 1 && left[0].Name() == "rapid" {
			continue // what a property test leaves when it fails
		}
		require.Contains(t, visible, name)
	}
}

func TestNothingIsLeftToBeDone(t *testing.T) {
	words := []string{"TO" + "DO", "FIX" + "ME"}
	walk(t, func(name string) {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, word := range words {
			if strings.Contains(string(b), word) {
				t.Errorf("%s: %s", name, word)
			}
		}
	})
}

// A goFile is one file of the repository, by its path from the root, with slashes.
type goFile struct {
	path, dir string
	set       *token.FileSet
	syntax    *ast.File
}

// requireNone fails for each finding, at its line.
func (f *goFile) requireNone(t *testing.T, found []finding) {
	for _, x := range found {
		t.Errorf("%s:%d: %s", f.path, f.set.Position(x.at).Line, x.what)
	}
}

// walk calls f for every file that is no part of version control or of an editor.
func walk(t *testing.T, f func(name string)) {
	require.NoError(t, filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(d.Name(), ".") && name != ".":
			if d.IsDir() {
				return filepath.SkipDir
			}
		case d.Type().IsRegular():
			f(filepath.ToSlash(name))
		}
		return nil
	}))
}

// goFiles are all Go files but those in testdata.
func goFiles(t *testing.T) (files []*goFile) {
	walk(t, func(name string) {
		if !strings.HasSuffix(name, ".go") || strings.Contains(name, "testdata/") {
			return
		}
		set := token.NewFileSet()
		syntax, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, &goFile{name, path.Dir(name), set, syntax})
	})
	return files
}

// productFiles are the Go files that are not tests.
func productFiles(t *testing.T) []*goFile {
	return slices.DeleteFunc(goFiles(t), func(f *goFile) bool { return strings.HasSuffix(f.path, "_test.go") })
}
