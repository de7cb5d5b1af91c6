package consensus_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// explained are methods whose name and type say all, because many types have them.
var explained = []string{"String", "Error", "Is", "Unwrap", "Len", "Less", "Swap", "Push", "Pop"}

// undocumented are the exported identifiers of a file's top level without a doc comment: the
// types, their methods, functions, constants and variables. A group of constants of one type is
// documented by that type; a group of constants, variables or aliases by the comment above it;
// a method by an interface of its package that promises it.
func undocumented(file *ast.File, promised []string) (found []finding) {
	add := func(id *ast.Ident) { found = append(found, finding{id.Pos(), id.Name + " has no doc comment"}) }
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			spared := d.Recv != nil && (hidden(d.Recv) || slices.Contains(explained, name) || slices.Contains(promised, name))
			if d.Name.IsExported() && d.Doc == nil && !spared {
				add(d.Name)
			}
		case *ast.GenDecl:
			if d.Doc != nil && d.Tok != token.TYPE || enumeration(d) {
				continue
			}
			for _, spec := range d.Specs {
				for _, id := range bare(d, spec) {
					add(id)
				}
			}
		}
	}
	return found
}

// hidden reports whether the receiver is of a type that is not exported.
func hidden(receiver *ast.FieldList) bool {
	t := receiver.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		default:
			id, ok := t.(*ast.Ident)
			return ok && !id.IsExported()
		}
	}
}

// enumeration reports whether d declares constants that begin with a typed one.
func enumeration(d *ast.GenDecl) bool {
	return d.Tok == token.CONST && len(d.Specs) > 1 && d.Specs[0].(*ast.ValueSpec).Type != nil
}

// bare are the exported names of spec, if it has no comment of its own.
func bare(d *ast.GenDecl, spec ast.Spec) (ids []*ast.Ident) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		byGroup := d.Doc != nil && (!d.Lparen.IsValid() || s.Assign.IsValid())
		if s.Name.IsExported() && s.Doc == nil && s.Comment == nil && !byGroup {
			ids = append(ids, s.Name)
		}
	case *ast.ValueSpec:
		if s.Doc != nil || s.Comment != nil {
			return nil
		}
		for _, id := range s.Names {
			if id.IsExported() {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// interfaceMethods are the methods of a file's interfaces.
func interfaceMethods(file *ast.File) (names []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		if i, ok := n.(*ast.InterfaceType); ok {
			for _, m := range i.Methods.List {
				if len(m.Names) == 1 {
					names = append(names, m.Names[0].Name)
				}
			}
		}
		return true
	})
	return names
}

func TestEveryExportedIdentifierIsDocumented(t *testing.T) {
	files, promised := productFiles(t), make(map[string][]string)
	for _, f := range files {
		promised[f.dir] = append(promised[f.dir], interfaceMethods(f.syntax)...)
	}
	for _, f := range files {
		if f.syntax.Name.Name != "main" {
			f.requireNone(t, undocumented(f.syntax, promised[f.dir]))
		}
	}
}

func TestEveryPackageIsDocumentedOnce(t *testing.T) {
	comments := make(map[string]int)
	for _, f := range productFiles(t) {
		comments[f.dir] += 0
		if f.syntax.Doc != nil {
			comments[f.dir]++
		}
	}
	for dir, n := range comments {
		require.Equal(t, 1, n, "package comments in %s", dir)
	}
}

func TestTheCheckOfDocumentationBites(t *testing.T) {
	for source, want := range map[string][]string{
		"func F() {}":                                                     {"F"},
		"// F does.\nfunc F() {}":                                         nil,
		"func f() {}":                                                     nil,
		"// T is.\ntype T int; func (T) M() {}":                           {"M"},
		"// T is.\ntype T[K any] int; func (*T[K]) M() {}":                {"M"},
		"type t int; func (*t) M() {}":                                    nil,
		"// T is.\ntype T int; func (T) String() {}":                      nil,
		"type T int":                                                      {"T"},
		"type (\n// T is.\nT int\nU int\n)":                               {"U"},
		"// Both.\ntype (\nT int\nU int\n)":                               {"T", "U"},
		"// Both.\ntype (\nT = int\nU = int\n)":                           nil,
		"type I interface { M() }\n// T is.\ntype T int; func (T) M() {}": {"I"},
		"type (\nT int // is\n)":                                          nil,
		"const A = 1":                                                     {"A"},
		"const A, b = 1, 2":                                               {"A"},
		"// Numbers.\nconst (\nA = 1\nB = 2\n)":                           nil,
		"const (\nA T = iota\nB\n)":                                       nil,
		"var (\nA = 1\nB = 2 // two\n)":                                   {"A"},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\n"+source, parser.ParseComments)
		require.NoError(t, err, source)
		var names []string
		for _, f := range undocumented(file, interfaceMethods(file)) {
			names = append(names, f.what[:1])
		}
		require.Equal(t, want, names, source)
	}
}
