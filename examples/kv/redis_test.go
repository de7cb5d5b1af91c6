package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The answers in testdata/redis.txt are those of redis-server 7.0.15. To record them again, have
// an empty one listen and run: go test -run TestAnswersAreThoseOfRedis -record 127.0.0.1:6379
var record = flag.String("record", "", "the `address` of a Redis whose answers to record")

const script = "testdata/redis.txt"

// transcript is the commands of the script and what was answered to each.
func transcript(t *testing.T) (lines, commands, answers []string) {
	b, err := os.ReadFile(script)
	require.NoError(t, err)
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		lines = append(lines, line)
		if command, ok := strings.CutPrefix(line, "> "); ok {
			commands = append(commands, command)
		} else if line != "" && line[0] != '#' {
			answers = append(answers, line)
		}
	}
	return lines, commands, answers
}

func TestAnswersAreThoseOfRedis(t *testing.T) {
	lines, commands, answers := transcript(t)
	if *record != "" {
		redis := dial(t, *record)
		var out strings.Builder
		for _, line := range lines {
			if command, ok := strings.CutPrefix(line, "> "); ok {
				out.WriteString(line + "\n" + redis.do("%s", command) + "\n")
			} else if line == "" || line[0] == '#' {
				out.WriteString(line + "\n")
			}
		}
		require.NoError(t, os.WriteFile(script, []byte(out.String()), 0o644))
		return
	}
	inBubble(t, func(t *testing.T, c *cluster) {
		one := c.dial(1)
		for i, command := range commands {
			require.Equal(t, answers[i], one.do("%s", command), command)
		}
	})
}

func TestAPipelineIsAnsweredLikeOneCommandAfterTheOther(t *testing.T) {
	_, commands, answers := transcript(t)
	var all []byte
	for _, command := range commands {
		all = append(all, encode(arguments(command))...)
	}
	inBubble(t, func(t *testing.T, c *cluster) {
		client := c.dial(2)
		client.send(all)
		for i, answer := range answers {
			require.Equal(t, answer, client.receive(), commands[i])
		}
	})
}
