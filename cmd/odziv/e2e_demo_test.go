package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A stranger types the one command of the README, pastes the curl that it prints, answers on the phone, and reads the response.
func TestE2EFirstReply(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	id := d.paste(t)
	d.talk(t, "+385911234567", "9", "Što vam se", "brza dostava", "Hvala")
	r := d.response(t, id)
	if r.Status != "complete" || r.Metric.Score != 9 || r.Metric.Segment != "promoter" || r.Comment != "brza dostava" || len(r.Answers) != 2 || r.Answers[0].Text != "9" {
		t.Errorf("the response is %+v", r)
	}
	tests := []struct {
		name, locale, channel, phone, score, followup, comment, thanks, segment string
		value                                                                   int
	}{
		{"a word in Croatian", "hr", "sms", "+385911234568", "devet", "Što vam se", "sve pet", "Hvala", "promoter", 9},
		{"Persian digits on Viber", "fa", "viber", "+989121234567", "۹", "چه چیزی", "ممنون", "سپاس", "promoter", 9},
		{"a Serbian word in Cyrillic", "sr-Cyrl", "sms", "+381641234567", "седам", "?", "чекање", "Хвала", "passive", 7},
		{"Polish", "pl", "sms", "+48501234567", "dwa", "?", "za drogo", "Dziekujemy", "detractor", 2},
		{"Slovenian", "sl", "viber", "+38640123456", "deset", "?", "hitro", "Hvala", "promoter", 10},
		{"English with its reason", "en", "sms", "+447911123456", "10", "?", "quick", "Thank", "promoter", 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			id := d.send(t, tt.phone, tt.locale, tt.channel)
			d.talk(t, tt.phone, tt.score, tt.followup, tt.comment, tt.thanks)
			r := d.response(t, id)
			if r.Metric.Score != tt.value || r.Metric.Segment != tt.segment || r.Locale != tt.locale || r.Comment != tt.comment || r.Answers[0].Text != tt.score {
				t.Errorf("the response is %+v", r)
			}
		})
	}
}

// A demoProcess is a running «odziv demo».
type demoProcess struct{ url, key, curl string }

func newDemo(t *testing.T) *demoProcess {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var out logFile
	cmd := exec.CommandContext(ctx, exe, "demo", "--listen", "127.0.0.1:0") //nolint:gosec // ourselves
	cmd.Env = append(os.Environ(), "ODZIV_TEST_BE_THE_PROGRAM=yes")
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	await(t, "the demo tells what to do", 30*time.Second, func() (string, bool) {
		return out.String(), strings.Contains(out.String(), "Ctrl-C")
	})
	said := out.String()
	find := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(said)
		if m == nil {
			t.Fatalf("no %s in %s", pattern, said)
		}
		return m[1]
	}
	return &demoProcess{
		url: find(`Phones +(http://[^/]+)/sandbox`), key: find(`Key +(odz_test_\S+)`), curl: find(`(?s)(curl -sS \S+/v1/sends .*?\n}')`),
	}
}

// paste runs the printed command in a shell, as it stands.
func (d *demoProcess) paste(t *testing.T) (sendID string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", d.curl).Output() //nolint:gosec // what the demo tells people to paste
	if err != nil {
		t.Fatalf("%s: %v", d.curl, err)
	}
	var sent struct{ ID, Status string }
	if err := json.Unmarshal(out, &sent); err != nil || sent.Status != "accepted" {
		t.Fatalf("the pasted curl says %s", out)
	}
	return sent.ID
}

func (d *demoProcess) send(t *testing.T, phone, locale, channel string) (id string) {
	t.Helper()
	status, text := request(t, http.MethodPost, d.url+"/v1/sends", d.key, map[string]any{
		"survey": "nps-after-purchase", "recipient": map[string]any{"phone": phone, "locale": locale}, "channels": []string{channel},
	})
	var sent struct{ ID string }
	if err := json.Unmarshal(text, &sent); err != nil || status != http.StatusAccepted {
		t.Fatalf("%d %s", status, text)
	}
	return sent.ID
}

type phoneMessage struct{ ID, Kind, Text string }

// messages are what a phone got.
func (d *demoProcess) messages(t *testing.T, phone string) []phoneMessage {
	t.Helper()
	status, text := request(t, http.MethodGet, d.url+"/sandbox/messages?to="+url.QueryEscape(phone), "", nil)
	var list struct{ Items []phoneMessage }
	if err := json.Unmarshal(text, &list); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	return list.Items
}

// talk waits for the invitation, says the score, waits for the follow-up, says why, and waits for the thanks.
func (d *demoProcess) talk(t *testing.T, phone, score, followup, comment, thanks string) {
	t.Helper()
	var got []phoneMessage
	wait := func(n int, kind, part string) {
		t.Helper()
		await(t, fmt.Sprint("message ", n, " on the phone"), 20*time.Second, func() (string, bool) {
			got = d.messages(t, phone)
			return fmt.Sprint(got), len(got) >= n
		})
		if m := got[n-1]; len(got) != n || !strings.HasPrefix(m.Kind, kind) || !strings.Contains(m.Text, part) {
			t.Fatalf("message %d of %d is %+v; want a %s with %q", n, len(got), m, kind, part)
		}
	}
	say := func(text string) {
		t.Helper()
		status, answer := request(t, http.MethodPost, d.url+"/sandbox/messages/"+got[len(got)-1].ID+"/replies", "", map[string]string{"text": text})
		if status != http.StatusAccepted {
			t.Fatalf("a reply: %d %s", status, answer)
		}
	}
	wait(1, "invitation", "")
	say(score)
	wait(2, "followup", followup)
	say(comment)
	wait(3, "thanks", thanks)
}

type responseItem struct {
	Status, Locale, Comment string
	Metric                  struct {
		Score   int
		Segment string
	}
	Answers []struct{ Question, Text, Evidence string }
}

func (d *demoProcess) response(t *testing.T, sendID string) responseItem {
	t.Helper()
	status, text := request(t, http.MethodGet, d.url+"/v1/responses?send="+sendID, d.key, nil)
	var list struct{ Items []responseItem }
	if err := json.Unmarshal(text, &list); err != nil || status != http.StatusOK || len(list.Items) != 1 {
		t.Fatalf("%d %s", status, text)
	}
	return list.Items[0]
}
