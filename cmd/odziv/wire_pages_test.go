package main

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	magic "github.com/odziv/odziv/channels/sandbox"
	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// While the store is away nothing is planned that was not planned before: it is no fault of the caller's.
func TestPlanWithoutStore(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), store.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	p := &planner{gateway: &gateway{store: s, log: slog.New(slog.DiscardHandler)}}
	for range 2 { // also when it is not looked at again
		faults := p.Plan(&survey.Send{Survey: "nps-after-purchase"}, survey.Wish{})
		if len(faults) != 1 || faults[0].Code != web.CodeUnavailable {
			t.Errorf("faults %v, want one that says %s", faults, web.CodeUnavailable)
		}
	}
	p.versions = map[string]int{"nps-after-purchase": 3}
	send := survey.Send{Survey: "nps-after-purchase"}
	if faults := p.Plan(&send, survey.Wish{}); send.SurveyVersion != 3 || len(faults) == 0 || faults[0].Code != "no_sender" {
		t.Errorf("of the last known release: version %d, %v", send.SurveyVersion, faults)
	}
	if _, err := p.current("ces-after-return"); err == nil || errors.Is(err, survey.ErrNotFound) {
		t.Errorf("of an unknown release: %v", err)
	}
}

// What was made of a reply stays beside its phone, however much is said on the others.
func TestLogOfPhone(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), store.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	put := func(to, text string, inbound bool) {
		t.Helper()
		at = at.Add(time.Second)
		if err := s.PutSandboxMessage(t.Context(), magic.Message{To: to, Channel: survey.SMS, Text: text, Inbound: inbound, At: at}); err != nil {
			t.Fatal(err)
		}
	}
	const ana, others = "+385911234567", "+385915550000"
	put(ana, "0–10?", false)
	put(ana, "devet", true)
	put(others, "osam", true)
	for range 250 {
		put(others, "0–10?", false)
	}
	lines, err := box{&gateway{store: s}}.Log(t.Context(), ana, 40)
	if err != nil || len(lines) != 1 || lines[0].Said != "devet" {
		t.Errorf("log of %s: %v, %v; want what it said alone", ana, lines, err)
	}
}

// In a container the program listens on all addresses; the phones that its configuration promises are there all the same.
func TestComposeShowsPhones(t *testing.T) {
	t.Parallel()
	c, err := loadConfig("../../examples/odziv.compose.yaml", env("ODZIV_LISTEN=:8080"), configFlags{})
	if err != nil || !c.showsSandbox() {
		t.Errorf("phones served: %t, %v", c.showsSandbox(), err)
	}
}
