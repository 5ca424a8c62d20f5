package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	accountSID = "AC00000000000000000000000000000000"
	authToken  = "00000000000000000000000000000000"
)

// A bench is one run.
type bench struct {
	setup
	rows    []row
	schemas int
}

// A part is a group of rows that -only chooses.
type part struct {
	name string
	run  func(ctx context.Context, kind string) error
}

func (b *bench) parts() []part {
	return []part{
		{"accept", func(ctx context.Context, kind string) error { return b.accept(ctx, kind, "single") }},
		{"batch", func(ctx context.Context, kind string) error { return b.accept(ctx, kind, "batch") }},
		{"noop", b.noop},
		{"sms", func(ctx context.Context, kind string) error { return b.deliver(ctx, kind, "sms") }},
		{"email", func(ctx context.Context, kind string) error { return b.deliver(ctx, kind, "email") }},
		{"growth", b.growth},
	}
}

// measure runs what was chosen and prints the table.
func measure(ctx context.Context, s setup) (err error) {
	if s.dir, err = os.MkdirTemp("", "odziv-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	b := &bench{setup: s}
	chosen, err := b.chosen()
	if err != nil {
		return err
	}
	b.binary = filepath.Join(s.dir, "odziv")
	build := exec.CommandContext(ctx, "go", "build", "-o", b.binary, "./cmd/odziv") //nolint:gosec // ourselves
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	for _, p := range chosen {
		for _, kind := range b.stores() {
			if err := p.run(ctx, kind); err != nil {
				return fmt.Errorf("%s, %s: %w", p.name, kind, err)
			}
		}
	}
	text := b.table()
	say("%s", text)
	if s.out != "" {
		return os.WriteFile(s.out, []byte(text), 0o644) //nolint:gosec // a document
	}
	return nil
}

// chosen are the parts that -only names; all without it.
func (b *bench) chosen() ([]part, error) {
	all := b.parts()
	if b.only == "" {
		return all, nil
	}
	var out []part
	for name := range strings.SplitSeq(b.only, ",") {
		i := slices.IndexFunc(all, func(p part) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-only: there is no part %q; there are accept, batch, noop, sms, email and growth", name)
		}
		out = append(out, all[i])
	}
	return out, nil
}

// stores are the databases that there are.
func (b *bench) stores() []string {
	if b.database == "" {
		return []string{"SQLite"}
	}
	return []string{"SQLite", "PostgreSQL"}
}

// where names what a measurement ran on.
func (b *bench) where(kind string) string {
	if b.redis == "" {
		return kind + ", Redis in process"
	}
	return kind + ", Redis"
}

// load runs the generator in a process of its own.
func (b *bench) load(ctx context.Context, url, mode string, extra ...string) (loadResult, error) {
	conns := "64"
	if mode == "batch" {
		conns = "4"
	}
	args := append([]string{"-url", url, "-key", benchKey, "-mode", mode, "-conns", conns, "-seconds", b.seconds.String()}, extra...)
	return b.result(ctx, "load", args...)
}

// result runs a role to its end and reads what it measured.
func (b *bench) result(ctx context.Context, name string, args ...string) (loadResult, error) {
	exe, err := os.Executable()
	if err != nil {
		return loadResult{}, err
	}
	cmd := exec.CommandContext(ctx, exe, append([]string{"role", name}, args...)...) //nolint:gosec // ourselves
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return loadResult{}, fmt.Errorf("%s: %w", name, err)
	}
	return parse(out)
}

func rate(r loadResult) float64 { return float64(r.Items) / r.Seconds }

func progress(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}
