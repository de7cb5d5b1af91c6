package consensus_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// programLines is how long the program may be, without its imports.
const programLines = 60

// exampleProgram is example_test.go as a program of its own.
func exampleProgram(t *testing.T) string {
	t.Helper()
	return strings.NewReplacer(
		"package consensus_test", "package main",
		"// Example replicates", "// main replicates",
		"func Example()", "func main()",
	).Replace(readText(t, "example_test.go"))
}

func readText(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(b)
}

func TestTheProgramInTheReadmeIsTheExample(t *testing.T) {
	_, block, found := strings.Cut(readText(t, "README.md"), "```go\npackage main\n")
	require.True(t, found, "README.md has a program")
	block, _, _ = strings.Cut(block, "```")
	require.Equal(t, exampleProgram(t), "package main\n"+block)
}

func TestTheProgramInThePackageCommentIsTheExample(t *testing.T) {
	_, block, found := strings.Cut(readText(t, "doc.go"), "//\tpackage main\n")
	require.True(t, found, "doc.go has a program")
	program := "package main\n"
	for line := range strings.Lines(block) {
		text, code := strings.CutPrefix(line, "//\t")
		if !code && line != "//\n" {
			break
		}
		if !code {
			text = "\n"
		}
		program += text
	}
	require.Equal(t, exampleProgram(t), strings.TrimSpace(program)+"\n")
}

func TestTheProgramIsShort(t *testing.T) {
	_, body, _ := strings.Cut(exampleProgram(t), "\n)\n")
	require.LessOrEqual(t, strings.Count(strings.TrimSpace(body), "\n")+1, programLines)
}
