package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A ruin is the folders of three nodes, of cluster 7, that have stopped.
type ruin struct {
	t        *testing.T
	protocol string
	dir      string
}

// ruined has three nodes set a key and stop; meanwhile is called while they run.
func ruined(t *testing.T, protocol string, meanwhile func(*ruin)) *ruin {
	r := &ruin{t, protocol, t.TempDir()}
	var nodes []*process
	for id := 1; id <= 3; id++ {
		nodes = append(nodes, r.start(id, 7, "-peers", "1=127.0.0.1:0,2=127.0.0.1:0,3=127.0.0.1:0"))
	}
	introduce(nodes...)
	require.Equal(t, "+OK", nodes[0].dial(t).do("SET a 3"))
	for _, p := range nodes {
		require.Equal(t, `"3"`, p.dial(t).do("GET a"), "it has it on its disk, too")
	}
	meanwhile(r)
	for _, p := range nodes {
		require.NoError(t, p.close())
	}
	return r
}

// start starts a node of a cluster, in a folder that goes by both.
func (r *ruin) start(id, cluster int, args ...string) *process {
	return startWith(r.t, append([]string{"-protocol", r.protocol, "-id", fmt.Sprint(id), "-cluster", fmt.Sprint(cluster), "-data", r.folder(id, cluster), "-bind", "127.0.0.1:0", "-insecure"}, args...)...)
}

func (r *ruin) folder(id, cluster int) string {
	return filepath.Join(r.dir, fmt.Sprintf("%d-of-%d", id, cluster))
}

// recover runs kv -recover, and returns its exit code and all that it says.
func (r *ruin) recover(folders []string, args ...string) (code int, says string) {
	var out bytes.Buffer
	code = run(context.Background(), append([]string{"-recover", strings.Join(folders, ","), "-protocol", r.protocol}, args...), &out, &out)
	return code, out.String()
}

// introduce tells nodes where the others are.
func introduce(nodes ...*process) {
	for _, p := range nodes {
		for _, other := range nodes {
			if p != other {
				p.network.SetAddress(other.node.cfg.id, other.network.Addr().String())
			}
		}
	}
}

// Of three nodes two are lost. The third begins a new cluster, which grows again.
func TestWhatSurvivesOfALostMajorityBeginsANewCluster(t *testing.T) {
	t.Parallel()
	for protocol := range protocols {
		r := ruined(t, protocol, func(*ruin) {})
		survivor := []string{r.folder(3, 7)}
		for _, lost := range []int{1, 2} {
			require.NoError(t, os.RemoveAll(r.folder(lost, 7)))
		}
		code, says := r.recover(survivor)
		require.Zero(t, code, says)
		for _, what := range []string{"Node 3: term ", "voters [1 2 3]", "nobody knows how much", "Keys in it: 1.", "This was a dry run."} {
			require.Contains(t, says, what)
		}
		left, err := os.ReadDir(r.dir)
		require.NoError(t, err)
		require.Len(t, left, 1, "nothing was made")

		code, says = r.recover(survivor, "-id", "3", "-data", r.folder(3, 8), "-cluster", "8")
		require.Zero(t, code, says)
		require.Contains(t, says, "-cluster 8 -members 3.")
		third := r.start(3, 8, "-peers", "3=127.0.0.1:0")
		client := third.dial(t)
		require.Equal(t, `"3"`, client.do("GET a"))

		nodes := []*process{third}
		for id := 1; id <= 2; id++ {
			nodes = append(nodes, r.start(id, 8, "-peers", "3=127.0.0.1:0", "-join"))
			introduce(nodes...)
			require.Equal(t, "+OK", client.insist("CONSENSUS ADD %d", id))
			for !strings.Contains(client.do("CONSENSUS MEMBERS"), fmt.Sprintf(`"%d voter"`, id)) {
				require.Regexp(t, "^(:|-TRYAGAIN)", client.do("INCR n"))
			}
		}
		for i, p := range nodes {
			require.Equal(t, fmt.Sprintf(":%d", 4+i), p.dial(t).do("INCR a"))
		}
		for _, p := range nodes {
			require.NoError(t, p.close())
		}
	}
}

func TestOnlyWhatIsLostIsRecovered(t *testing.T) {
	t.Parallel()
	r := ruined(t, "raft", func(r *ruin) {
		code, says := r.recover([]string{r.folder(3, 7)})
		require.Equal(t, 1, code)
		require.Contains(t, says, "the folder is in use")
	})
	one, two, three := r.folder(1, 7), r.folder(2, 7), r.folder(3, 7)
	stranger := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(stranger, "letter"), nil, 0o600))
	joiner, other := r.start(4, 7, "-peers", "1=127.0.0.1:1", "-join"), r.start(1, 9, "-peers", "1=127.0.0.1:0")
	require.NoError(t, joiner.close())
	require.NoError(t, other.close())
	require.NoError(t, os.CopyFS(filepath.Join(r.dir, "copy"), os.DirFS(one)))
	full := []string{"-id", "3", "-data", r.folder(3, 8), "-cluster", "8"}
	for name, x := range map[string]struct {
		folders []string
		args    []string
		says    string
	}{
		"no folder":                     {[]string{three, filepath.Join(r.dir, "none")}, nil, "none is no node's folder"},
		"a folder of something else":    {[]string{stranger}, full, "is no node's folder"},
		"a node that never had a part":  {[]string{r.folder(4, 7)}, full, "no such group on disk"},
		"a node and its copy":           {[]string{one, three, filepath.Join(r.dir, "copy")}, full, "are node 1's"},
		"nodes of two clusters":         {[]string{three, r.folder(1, 9)}, full, "of cluster 9"},
		"a majority":                    {[]string{one, two}, full, "nothing was done: the survivors are a majority"},
		"the number of the old cluster": {[]string{three}, []string{"-id", "3", "-data", r.folder(3, 8), "-cluster", "7"}, "the new one needs another: -cluster "},
		"the folder of a survivor":      {[]string{three}, []string{"-id", "3", "-data", three, "-cluster", "8"}, "in use"},
		"the folder of another node":    {[]string{three}, []string{"-id", "3", "-data", one, "-cluster", "8"}, "the folder is not this node's"},
	} {
		code, says := r.recover(x.folders, x.args...)
		require.Equal(t, 1, code, name)
		require.Contains(t, says, x.says, name)
		require.NoDirExists(t, r.folder(3, 8), name)
	}
	left, err := os.ReadDir(stranger)
	require.NoError(t, err)
	require.Len(t, left, 1, "no node's folder was made of it")

	code, says := r.recover([]string{two, one})
	require.Zero(t, code)
	require.Contains(t, says, "Start them")
	require.NotContains(t, says, "To make a new cluster")
	code, says = r.recover([]string{three}, full...)
	require.Zero(t, code, says)
	code, says = r.recover([]string{three}, full...)
	require.Equal(t, 1, code)
	require.Contains(t, says, "the group exists on disk", "it is not done twice")
}

func TestALogOfTheOtherProtocolIsSuspected(t *testing.T) {
	t.Parallel()
	for protocol, other := range map[string]string{"raft": "paxos", "paxos": "raft"} {
		r := ruined(t, protocol, func(*ruin) {})
		r.protocol = other
		suspicion := "is it a log of -protocol " + other + "?"
		code, says := r.recover([]string{r.folder(3, 7)})
		require.Equal(t, 1, code)
		require.Contains(t, says, suspicion)
		var stderr bytes.Buffer
		require.Equal(t, 1, run(context.Background(), []string{"-protocol", other, "-id", "3", "-cluster", "7", "-data", r.folder(3, 7),
			"-peers", "3=127.0.0.1:0", "-listen", "127.0.0.1:0", "-insecure"}, io.Discard, &stderr))
		require.Contains(t, stderr.String(), suspicion)
	}
}
