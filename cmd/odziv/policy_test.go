package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/survey"
)

// newHistory is a data folder in which three people were invited twice, ten days apart, and one of them answered the second time.
func newHistory(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s, err := store.Open(t.Context(), store.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now().Add(-40 * day).Truncate(day).Add(11 * time.Hour)
	for i := range 6 {
		at := start.Add(time.Duration(i/3) * 10 * day)
		done, err := s.Accept(t.Context(), []survey.Send{{
			Mode: survey.Live, Survey: "nps-after-purchase", Locale: "hr", Recipient: survey.Recipient{Phone: fmt.Sprintf("+38591000000%d", i%3)},
			Plan: []survey.Step{{Channel: survey.SMS, Sender: "sms"}}, Kind: survey.Invitation, CreatedAt: at, ExpiresAt: at.Add(7 * day),
		}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Apply(t.Context(), done[0].ID, func(st *survey.State) error {
			st.Send.Status = survey.Sent
			st.Attempts = append(st.Attempts, survey.Attempt{
				ID: fmt.Sprint("att_", i), SendID: st.Send.ID, Kind: survey.Invitation, Channel: survey.SMS, Sender: "sms", Status: survey.AttemptSent, At: at, UpdatedAt: at,
			})
			if i == 5 {
				st.Response = &survey.Response{
					ID: "rsp_1", SendID: st.Send.ID, Mode: survey.Live, Survey: st.Send.Survey, Metric: survey.NPS, Score: 9, Segment: survey.Promoter, CreatedAt: at, UpdatedAt: at,
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPolicyReplayCommand(t *testing.T) {
	t.Parallel()
	dir := newHistory(t)
	file := filepath.Join(t.TempDir(), "new.yaml")
	if err := os.WriteFile(file, []byte("policy: {window: none, cooldown: 20d}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	do := func(args ...string) (code int, out, complaint string) {
		var stdout, stderr strings.Builder
		code = run(t.Context(), append([]string{"policy", "replay", "--data-dir", dir}, args...),
			&streams{Out: &stdout, Err: &stderr, In: strings.NewReader(""), Getenv: env()})
		return code, stdout.String(), stderr.String()
	}
	code, out, complaint := do("--policy", file)
	const want = `      sends decided  as it was  with this policy  difference
               sent          6                 3          -3
  dropped: cooldown          0                 3          +3
           answered          1                 0          -1

3 sends lost, with 1 answers
0 sends gained, with about 0 answers: at the rate at which their surveys were answered
0 sends later, by 0s at most; 0 with a shorter survey

              survey  sent  sent then  answered  answers lost  sends gained  answers expected
  nps-after-purchase     6          3         1             1             0               0.0

6 sends in all; 0 of them no policy decides: they were cancelled, failed, expired, wait, or the person had left
`
	if code != 0 || out != want {
		t.Errorf("exit %d, %s\n%s", code, complaint, out)
	}
	code, out, complaint = do("--policy", file, "--json", "--since", "35d")
	var report survey.PolicyReport
	if err := json.Unmarshal([]byte(out), &report); code != 0 || err != nil {
		t.Fatalf("exit %d, %s, %v", code, complaint, err)
	}
	if report.Sends != 3 || report.Lost != 3 || report.LostAnswers != 1 {
		t.Errorf("since 35 days: %+v", report)
	}
	if code, _, complaint = do("--policy", file, "--mode", "test"); code != 0 {
		t.Errorf("exit %d, %s", code, complaint)
	}
	if code, _, complaint = do("--policy", filepath.Join(dir, "none.yaml")); code != 1 || !strings.Contains(complaint, "none.yaml") {
		t.Errorf("exit %d, %q", code, complaint)
	}
	if code, _, complaint = do("--since", "soon"); code != 1 || !strings.Contains(complaint, "--since") {
		t.Errorf("exit %d, %q", code, complaint)
	}
}

type brokenHistory struct{ err error }

func (h brokenHistory) History(context.Context, survey.Mode, time.Time) iter.Seq2[survey.PastSend, error] {
	return func(yield func(survey.PastSend, error) bool) { yield(survey.PastSend{}, h.err) }
}

func TestPolicyReplayOfABrokenStore(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	if _, err := replayPolicy(t.Context(), brokenHistory{broken}, survey.Policy{}, survey.Live, time.Time{}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// 100,000 sends of 20,000 people in SQLite, read and decided again.
func BenchmarkPolicyReplay(b *testing.B) {
	const n = 100_000
	s, err := store.Open(b.Context(), store.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	start := time.Now().Add(-80 * day)
	sends := make([]survey.Send, 0, 1000)
	for i := range n {
		at := start.Add(time.Duration(i) * (80 * day / n))
		sends = append(sends, survey.Send{
			Mode: survey.Live, Survey: "nps-after-purchase", Locale: "hr", Recipient: survey.Recipient{Phone: fmt.Sprintf("+38591%07d", i*7919%20_000)},
			Plan: []survey.Step{{Channel: survey.SMS, Sender: "sms"}}, Kind: survey.Invitation, Status: survey.Suppressed, Reason: survey.ReasonCooldown,
			CreatedAt: at, UpdatedAt: at, ExpiresAt: at.Add(7 * day),
		})
		if len(sends) == cap(sends) {
			if _, err := s.Accept(b.Context(), sends, nil); err != nil {
				b.Fatal(err)
			}
			sends = sends[:0]
		}
	}
	p, err := defaultPolicy().survey("Europe/Zagreb")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r, err := replayPolicy(b.Context(), s, p, survey.Live, start.Add(-day))
		if err != nil || r.Sends != n {
			b.Fatalf("%d sends, %v", r.Sends, err)
		}
	}
}
