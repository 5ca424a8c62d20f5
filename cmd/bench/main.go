// Command bench measures the gateway against the limits of the same machine in the same run, and prints ratios. Load generator,
// provider stubs and gateway are processes of their own, all on loopback, all bounded.
//
//	go run ./cmd/bench [-seconds 3s] [-rounds 3] [-n 20000] [-only accept,email] [-out docs/benchmarks.md]
//
// All of it takes about seven minutes on an idle machine; -only runs what it names. PostgreSQL and a real Redis are measured when ODZIV_TEST_DATABASE_URL and ODZIV_TEST_REDIS_URL are set.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"
)

// A setup says how long and how much.
type setup struct {
	seconds  time.Duration
	rounds   int
	n        int
	many     int           // sends that wait
	cooldown time.Duration // for which a person is left alone
	out      string
	database string
	redis    string
	only     string
	binary   string
	dir      string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 2 && os.Args[1] == "role" {
		if err := role(ctx, os.Args[2], os.Args[3:]); err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, "bench "+os.Args[2]+":", err)
			os.Exit(1) //nolint:gocritic // nothing is left to stop
		}
		return
	}
	s := setup{database: os.Getenv("ODZIV_TEST_DATABASE_URL"), redis: os.Getenv("ODZIV_TEST_REDIS_URL")}
	flag.DurationVar(&s.seconds, "seconds", 3*time.Second, "length of one round of one measurement")
	flag.IntVar(&s.rounds, "rounds", 3, "rounds; the median is printed")
	flag.IntVar(&s.n, "n", 20000, "sends of an end-to-end run")
	flag.IntVar(&s.many, "many", 1_000_000, "sends that wait in the store while growth is measured")
	flag.DurationVar(&s.cooldown, "cooldown", 90*24*time.Hour, "for how long a person is left alone, as by default; 0 = the policy has no such rule")
	flag.StringVar(&s.only, "only", "", "parts to run, with commas: accept, batch, noop, sms, email, growth; none = all")
	flag.StringVar(&s.out, "out", "", "write the table to this file too")
	flag.Parse()
	if err := measure(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// role runs one of the processes that a measurement needs.
func role(ctx context.Context, name string, args []string) error {
	switch name {
	case "twilio":
		return serveTwilio(ctx)
	case "smtp":
		return serveSMTP(ctx)
	case "gomail":
		return runGoMail(ctx, args)
	case "noop":
		return serveNoop(ctx, args)
	case "decode":
		return serveDecode(ctx)
	case "bare":
		return serveBare(ctx, args)
	case "commit":
		return runCommit(ctx, args)
	case "load":
		return runLoad(ctx, args)
	case "pending":
		return runPending(ctx, args)
	default:
		return fmt.Errorf("no role %q", name)
	}
}

// A row of the table.
type row struct {
	work  string
	limit float64 // of this machine in this run; 0 = none
	of    string  // what the limit is
	got   float64
	ratio float64 // of the rounds; 0 = got by limit
	unit  string
	goal  string
	met   bool
	note  string
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
