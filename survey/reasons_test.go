package survey_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every reason in the code is in the table that callers read.
func TestReasonsAreDocumented(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile("../docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source []byte
	for _, f := range files {
		if text, err := os.ReadFile(f); err != nil { //nolint:gosec // our own source
			t.Fatal(err)
		} else if !strings.HasSuffix(f, "_test.go") {
			source = append(source, text...)
		}
	}
	found := regexp.MustCompile(`Reason\w+ +Reason = "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(found) < 10 {
		t.Fatalf("only %d reasons in the code", len(found))
	}
	for _, m := range found {
		if !strings.Contains(string(table), "| `"+m[1]+"` |") {
			t.Errorf("reason %s is not in docs/reasons.md", m[1])
		}
	}
}
