package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A patch breaks one place of the gateway.
type patch struct {
	dir string // a package
	was string // stands exactly once in its files without tests
	is  string
}

// A bug is a mistake that the harness has to find.
type bug struct {
	breaks  string // the promise, as its verdict is named
	patches []patch
}

func bugs() map[string]bug {
	return map[string]bug{
		// A request without an answer counts as not taken.
		"resend-uncertain": {"handed to a provider twice: 0", []patch{{
			"dispatch", "if e, ok := errors.AsType[*channels.Error](err); ok {",
			"if e, ok := errors.AsType[*channels.Error](err); ok {\n\t\tif e.Fault == channels.Unconfirmed {\n\t\t\te.Fault = channels.Transient\n\t\t}",
		}}},
		// The provider is called before the attempt is on disk.
		"send-before-claim": {"every message that a provider took belongs to an attempt", []patch{
			{"dispatch", "slots.claimed <- struct{}{}\n", "slots.claimed <- struct{}{}\n\tearly := d.paced(context.WithoutCancel(ctx), sender, m, s, send.Tries)\n"},
			{"dispatch", "d.paced(ctx, sender, m, &after, after.Send.Tries)", "early"},
		}},
		// A turn is always granted.
		"ignore-rate": {"sms: never more than 100 in 1s", []patch{
			{"dispatch", "local missing = w.used + size(w, units) - w.max", "local missing = 0"},
		}},
		// What expires says so in its row, and not in the ledger.
		"drop-ledger": {"the ledger of every send explains its state", []patch{
			{"survey", `s.Record(now, "send."+string(to),`, `if to == Expired {return}; s.Record(now, "send."+string(to),`},
		}},
		// A send that was cancelled goes out all the same.
		"forget-cancel": {"nothing is sent after its cancel is confirmed", []patch{{
			"survey", `s.end(Cancelled, ReasonCancelled, now, "actor", actor)`,
			`lane, due := s.Send.Lane, s.Send.DueAt; s.end(Cancelled, ReasonCancelled, now, "actor", actor); s.Send.Lane, s.Send.DueAt = lane, due`,
		}}},
	}
}

func bugNames() []string { return slices.Sorted(maps.Keys(bugs())) }

// moduleDir is where the sources are.
func moduleDir(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w; run it inside of the repository, with Go installed", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// build compiles the gateway, broken when name is of a bug, into dir.
func build(ctx context.Context, name, dir string) (string, error) {
	root, err := moduleDir(ctx)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "odziv")
	args := []string{"build", "-o", binary}
	if name != "" {
		overlay, err := overlay(root, name, dir)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/odziv")...) //nolint:gosec // our own words
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the gateway: %w\n%s", err, out)
	}
	return binary, nil
}

// overlay writes the broken sources and what «go build -overlay» needs to find them.
func overlay(root, name, dir string) (string, error) {
	broken, ok := bugs()[name]
	if !ok {
		return "", fmt.Errorf("no bug %q; there are %s", name, strings.Join(bugNames(), ", "))
	}
	texts := map[string]string{} // of the files that are broken, by path
	for _, p := range broken.patches {
		sources, err := filepath.Glob(filepath.Join(root, p.dir, "*.go"))
		if err != nil {
			return "", err
		}
		found := 0
		for _, file := range sources {
			text, ok := texts[file]
			if !ok {
				raw, err := os.ReadFile(file) //nolint:gosec // our own source
				if err != nil {
					return "", fmt.Errorf("bug %s: %w", name, err)
				}
				text = string(raw)
			}
			if n := strings.Count(text, p.was); n > 0 && !strings.HasSuffix(file, "_test.go") {
				texts[file] = strings.ReplaceAll(text, p.was, p.is)
				found += n
			}
		}
		if found != 1 {
			return "", fmt.Errorf("bug %s: its line stands %d times in %s, not once; the code has moved on: bring the bug after it\n%s", name, found, p.dir, p.was)
		}
	}
	replace := map[string]string{}
	for file, text := range texts {
		to := filepath.Join(dir, filepath.Base(filepath.Dir(file))+"_"+filepath.Base(file))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[file] = to
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	return list, os.WriteFile(list, raw, 0o600)
}
