package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

type batchAnswer struct {
	Accepted, Duplicates, Refused int
	Items                         []struct {
		Line, Index *int
		Status      int
		ID          string
		Duplicate   *bool
		Error       *web.Problem
	}
}

func (a answer) batch(t testing.TB) batchAnswer {
	t.Helper()
	var b batchAnswer
	if err := json.Unmarshal([]byte(a.body), &b); err != nil {
		t.Fatalf("%v\n%s", err, a.body)
	}
	return b
}

// summary writes the results as «place status code».
func (b batchAnswer) summary() (all []string) {
	for _, i := range b.Items {
		place, what := "?", ""
		if i.Line != nil {
			place = fmt.Sprint("line ", *i.Line)
		} else if i.Index != nil {
			place = fmt.Sprint("index ", *i.Index)
		}
		switch {
		case i.Error != nil:
			what = i.Error.Code
		case *i.Duplicate:
			what = "duplicate"
		case strings.HasPrefix(i.ID, survey.SendPrefix):
			what = "new"
		}
		all = append(all, fmt.Sprint(place, " ", i.Status, " ", what))
	}
	return all
}

func order(n int) string {
	return fmt.Sprintf(`{"survey":"nps-after-purchase","recipient":{"email":"ana@example.hr"},"transaction":{"id":"order-%d"}}`, n)
}

func TestBatch(t *testing.T) {
	t.Parallel()
	half := order(9)
	half = half[:len(half)/2]
	tests := []struct {
		name, kind, body string
		want             []string
		counts           [3]int
	}{
		{"array", mediaJSON, "[" + order(1) + " , " + order(2) + "]", []string{"index 0 202 new", "index 1 202 new"}, [3]int{2, 0, 0}},
		{"lines", mediaNDJSON, order(1) + "\n" + order(2) + "\n", []string{"line 1 202 new", "line 2 202 new"}, [3]int{2, 0, 0}},
		{"lines of another system", "application/jsonl", order(1) + "\r\n\r\n" + order(2), []string{"line 1 202 new", "line 3 202 new"}, [3]int{2, 0, 0}},
		{"the same twice", mediaNDJSON, order(1) + "\n" + order(1), []string{"line 1 202 new", "line 2 202 duplicate"}, [3]int{1, 1, 0}},
		{"one is wrong", mediaJSON, "[" + order(1) + `,{"survey":"x"},7,` + order(2) + "]", []string{"index 0 202 new", "index 1 422 invalid_request", "index 2 422 wrong_type", "index 3 202 new"}, [3]int{2, 0, 2}},
		{"broken line", mediaNDJSON, order(1) + "\n{]\n" + order(2), []string{"line 1 202 new", "line 2 422 invalid_json", "line 3 202 new"}, [3]int{2, 0, 1}},
		{"half a line at the end", mediaNDJSON, order(1) + "\n" + half, []string{"line 1 202 new", "line 2 422 invalid_json"}, [3]int{1, 0, 1}},
		{"two on one line", mediaNDJSON, order(1) + order(2), []string{"line 1 422 invalid_json"}, [3]int{0, 0, 1}},
		{"not UTF-8 in one", mediaJSON, "[" + order(1) + ",{\"survey\":\"\xff\"}]", []string{"index 0 202 new", "index 1 422 invalid_json"}, [3]int{1, 0, 1}},
		{"member twice in one", mediaJSON, "[" + order(1) + `,{"survey":"a","survey":"b"}]`, []string{"index 0 202 new", "index 1 422 duplicate_member"}, [3]int{1, 0, 1}},
		{"one is too large", mediaNDJSON, order(1) + "\n{\"x\":\"" + strings.Repeat("x", web.MaxBody) + "\"}", []string{"line 1 202 new", "line 2 422 too_large"}, [3]int{1, 0, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			got := r.call(t, "POST", "/v1/sends/batch", tt.body, "Content-Type", tt.kind)
			b := got.batch(t)
			if diff := cmp.Diff(tt.want, b.summary()); diff != "" || got.status != 202 {
				t.Errorf("%d %s\n%s", got.status, diff, got.body)
			}
			if counts := [3]int{b.Accepted, b.Duplicates, b.Refused}; counts != tt.counts || len(r.sends) != tt.counts[0] {
				t.Errorf("counts %v, stored %d; want %v", counts, len(r.sends), tt.counts)
			}
		})
	}
}

func TestBatchRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, kind, body string
		status           int
		code             string
	}{
		{"empty", mediaNDJSON, "\n\n", 422, web.CodeEmptyBatch},
		{"empty array", mediaJSON, "[]", 422, web.CodeEmptyBatch},
		{"one object", mediaJSON, order(1), 422, web.CodeWrongType},
		{"array cut off", mediaJSON, "[" + order(1) + ",", 400, web.CodeInvalidJSON},
		{"array and more", mediaJSON, "[" + order(1) + "]]", 400, web.CodeInvalidJSON},
		{"array and another", mediaJSON, "[" + order(1) + "][]", 400, web.CodeInvalidJSON},
		{"broken in the middle", mediaJSON, "[" + order(1) + ",{]," + order(2) + "]", 400, web.CodeInvalidJSON},
		{"CSV", "text/csv", "a,b", 415, web.CodeMediaType},
		{"too many lines", mediaNDJSON, strings.Repeat("{}\n", maxLines+1), 413, web.CodeBatchTooLong},
		{"too many elements", mediaJSON, "[" + strings.Repeat("{},", maxLines) + "{}]", 413, web.CodeBatchTooLong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			got := r.call(t, "POST", "/v1/sends/batch", tt.body, "Content-Type", tt.kind)
			if p := got.problem(t); got.status != tt.status || p.Code != tt.code || len(r.sends) != 0 {
				t.Errorf("got %d %s, stored %d", got.status, got.body, len(r.sends))
			}
		})
	}
}

// TestBatchFull is a batch as large as it may be, read on all cores, in its order.
func TestBatchFull(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var body strings.Builder
	for i := range maxLines {
		fmt.Fprintln(&body, order(i))
	}
	got := r.call(t, "POST", "/v1/sends/batch", body.String(), "Content-Type", mediaNDJSON)
	b := got.batch(t)
	if b.Accepted != maxLines || len(b.Items) != maxLines {
		t.Fatalf("accepted %d of %d", b.Accepted, len(b.Items))
	}
	for i, item := range b.Items {
		if s := r.sends[item.ID]; *item.Line != i+1 || s.Transaction.ID != fmt.Sprintf("order-%d", i) || i > 0 && item.ID <= b.Items[i-1].ID {
			t.Fatalf("line %d has %s for %q", *item.Line, item.ID, s.Transaction.ID)
		}
	}
}
