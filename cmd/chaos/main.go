// Command chaos holds the gateway against its promises while everything around it fails: providers that take and do not answer, that
// refuse, throttle and reset; receipts that come late, twice, out of order or never; kill -9 of every process; a Redis that is emptied
// and restarted; a PostgreSQL that is restarted. It starts all servers itself, on ports and in folders of its own.
//
//	go run ./cmd/chaos [-short] [-seed N] [-sends N] [-store sqlite|postgres] [-bug NAME] [-keep DIR] [-proof]
//
// It ends with a table for each store and exit code 1 when a promise was broken, with the ids that show it. With -bug one line of the
// gateway is broken first: then it has to fail.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The stores.
const (
	sqliteStore   = "sqlite"
	postgresStore = "postgres"
)

// A setup is what the command line says.
type setup struct {
	seed   uint64
	sends  int // 0 = as the form has it
	short  bool
	stores []string
	bug    string
	keep   string // folder for the logs of the gateways; "" = they are thrown away
}

// A form is how large a run is.
type form struct {
	number    int // of orders
	perSecond int // of the SMS sender
	perMinute int
	kills     int
	flushes   int
	lease     time.Duration
	grace     time.Duration // of uncertain attempts, where the configuration has it
	lookUp    time.Duration // until the first look-up of one, likewise
	linger    time.Duration // what people still do after the load is waited for so long
	later     time.Duration // what is due within it at the end of the load is waited for
	limit     time.Duration // of one store, also on a busy machine
}

func (s setup) form() form {
	f := form{
		number: 20_000, perSecond: 300, perMinute: 14_000, kills: 20, flushes: 3, lease: 2 * time.Second, grace: 25 * time.Second, lookUp: time.Second,
		linger: 20 * time.Second, later: 30 * time.Second, limit: 10 * time.Minute,
	}
	if s.short {
		f = form{
			number: 900, perSecond: 100, perMinute: 6000, kills: 6, flushes: 1, lease: 2 * time.Second, grace: 8 * time.Second, lookUp: time.Second / 2,
			linger: 8 * time.Second, later: 6 * time.Second, limit: 3 * time.Minute,
		}
	}
	if s.sends > 0 {
		f.number = s.sends
	}
	return f
}

// busy is about how long the load lasts: what the rate allows.
func (f form) busy() time.Duration {
	return time.Duration(float64(f.number)/min(float64(f.perSecond), float64(f.perMinute)/60)*float64(time.Second)) + 3*time.Second
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var s setup
	var only string
	flag.Uint64Var(&s.seed, "seed", uint64(time.Now().UnixNano()), "of everything that is left to chance")
	flag.IntVar(&s.sends, "sends", 0, "how many are asked for, each store; 0 = 20000, or 900 with -short")
	flag.BoolVar(&s.short, "short", false, "both stores at once, in about 40 seconds")
	flag.StringVar(&only, "store", "", "sqlite or postgres; empty = both")
	flag.StringVar(&s.bug, "bug", "", "break the gateway first: "+strings.Join(bugNames(), ", "))
	flag.StringVar(&s.keep, "keep", "", "keep the logs of the gateways in this folder")
	all := flag.Bool("proof", false, "the short form with every bug in turn: each has to be found")
	flag.Parse()
	s.stores = []string{sqliteStore, postgresStore}
	if only != "" {
		s.stores = []string{only}
	}
	broken, err := 0, error(nil)
	if *all {
		broken, err = proof(ctx, s, os.Stdout)
	} else {
		broken, err = run(ctx, s, os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(2)
	}
	if broken > 0 {
		os.Exit(1)
	}
}

// run does everything, prints it and says how many promises were broken. An error means that nothing was found out.
func run(ctx context.Context, s setup, out io.Writer) (broken int, err error) {
	reports, err := runs(ctx, s, out)
	for _, r := range reports {
		r.print(out)
		broken += r.broken()
	}
	return broken, err
}

// proof runs the short form with every bug, and says how many were not found.
func proof(ctx context.Context, s setup, out io.Writer) (missed int, err error) {
	s.short = true
	for _, name := range bugNames() {
		s.bug = name
		reports, err := runs(ctx, s, io.Discard)
		if err != nil {
			return missed, fmt.Errorf("with bug %s: %w", name, err)
		}
		found := []string{}
		for _, r := range reports {
			for _, v := range r.verdicts {
				if v.name == bugs()[name].breaks && len(v.evidence) > 0 {
					found = append(found, fmt.Sprintf("%s (%d)", r.store, len(v.evidence)))
				}
			}
		}
		if len(found) == 0 {
			missed++
			found = []string{"NOT FOUND"}
			for _, r := range reports {
				r.print(out)
			}
		}
		_, _ = fmt.Fprintf(out, "%-18s breaks «%s»: %s\n", name, bugs()[name].breaks, strings.Join(found, ", "))
	}
	return missed, nil
}

// runs builds the gateway and makes a run on every store. The reports of those that came to their end are there also beside an error.
func runs(ctx context.Context, s setup, out io.Writer) ([]*report, error) {
	dir, err := os.MkdirTemp("", "odziv-chaos-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // another user runs PostgreSQL below it
		return nil, err
	}
	binary, err := build(ctx, s.bug, dir)
	if err != nil {
		return nil, err
	}
	f := s.form()
	out = &lines{to: out}
	_, _ = fmt.Fprintf(out, "chaos: seed %d, %d sends on each of %s\n", s.seed, f.number, strings.Join(s.stores, ", "))
	reports := make([]*report, len(s.stores))
	errs := make([]error, len(s.stores))
	one := func(i int) {
		limited, cancel := context.WithTimeoutCause(ctx, f.limit, fmt.Errorf("not over after %s", f.limit))
		defer cancel()
		w := &world{setup: s, form: f, store: s.stores[i], dir: filepath.Join(dir, s.stores[i]), binary: binary, out: out}
		if reports[i], errs[i] = w.run(limited); errs[i] != nil {
			errs[i] = fmt.Errorf("%s: %w", s.stores[i], errs[i])
		}
	}
	var wg sync.WaitGroup
	for i := range s.stores {
		if s.short {
			wg.Go(func() { one(i) })
		} else if ctx.Err() == nil {
			one(i)
		}
	}
	wg.Wait()
	return slices.DeleteFunc(reports, func(r *report) bool { return r == nil }), errors.Join(errors.Join(errs...), context.Cause(ctx))
}
