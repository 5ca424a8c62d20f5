package main

import (
	"context"
	"fmt"
)

// Goals of accepting.
const (
	acceptRatio = 0.9    // of a group commit of one row a send over the same HTTP
	batchGoal   = 60_000 // sends a second
)

// accept measures how fast sends are taken, against decoding alone, committing alone, and the least that can be
// committed behind the same server.
func (b *bench) accept(ctx context.Context, kind, mode string) error {
	var decode, bare, commit, got, ratio, cost, rss, p50, p99 []float64
	for range b.rounds {
		d, err := b.decodeOnly(ctx, mode)
		if err != nil {
			return err
		}
		c, err := b.commitOnly(ctx, kind, mode)
		if err != nil {
			return err
		}
		least, err := b.bareOnce(ctx, kind, mode)
		if err != nil {
			return err
		}
		g, used, mem, err := b.acceptOnce(ctx, kind, mode)
		if err != nil {
			return err
		}
		decode, bare, commit = append(decode, rate(d)), append(bare, rate(least)), append(commit, rate(c))
		got, rss, cost = append(got, rate(g)), append(rss, mem), append(cost, used)
		ratio = append(ratio, rate(g)/rate(least))
		p50, p99 = append(p50, g.P50Ms), append(p99, g.P99Ms)
		progress("accept %s %s: %.0f/s (decode %.0f, one row a send %.0f, commit alone %.0f), %.1f µs", mode, kind, rate(g), rate(d), rate(least), rate(c), used)
	}
	r := row{
		work: "accept, " + mode + ", " + kind, limit: median(bare), of: "group commit of one row a send, the same HTTP", got: median(got), ratio: median(ratio), unit: "sends/s",
		note: fmt.Sprintf("%.0f µs CPU of the gateway a send; decode and answer only: %.0f/s; all its rows committed without HTTP: %.0f/s; p50 %.1f ms, p99 %.1f ms; peak memory %.0f MB",
			median(cost), median(decode), median(commit), median(p50), median(p99), median(rss)),
	}
	if mode == "single" {
		r.goal, r.met = "≥ 0.9 × the limit", r.ratio >= acceptRatio
	} else {
		r.goal, r.met = "≥ 60,000/s", r.got >= batchGoal
	}
	b.rows = append(b.rows, r)
	return nil
}

func (b *bench) decodeOnly(ctx context.Context, mode string) (loadResult, error) {
	p, err := b.role(ctx, "decode")
	if err != nil {
		return loadResult{}, err
	}
	defer p.stop()
	return b.load(ctx, p.url, mode)
}

// bareOnce is the rate of a store that keeps one row for a send.
func (b *bench) bareOnce(ctx context.Context, kind, mode string) (loadResult, error) {
	db, dir, drop, err := b.fresh(ctx, kind)
	if err != nil {
		return loadResult{}, err
	}
	defer drop()
	p, err := b.role(ctx, "bare", "-database", db, "-dir", dir)
	if err != nil {
		return loadResult{}, err
	}
	defer p.stop()
	return b.load(ctx, p.url, mode)
}

func (b *bench) commitOnly(ctx context.Context, kind, mode string) (loadResult, error) {
	db, dir, drop, err := b.fresh(ctx, kind)
	if err != nil {
		return loadResult{}, err
	}
	defer drop()
	args := []string{"-database", db, "-dir", dir, "-seconds", b.seconds.String()}
	if mode == "batch" {
		args = append(args, "-per", "1000", "-conns", "4")
	}
	return b.result(ctx, "commit", args...)
}

// acceptOnce gives the rate, the µs of the gateway's processor time for a send and its peak memory in MB.
func (b *bench) acceptOnce(ctx context.Context, kind, mode string) (r loadResult, cost, mem float64, err error) {
	g, err := b.gateway(ctx, kind, "", "", "api")
	if err != nil {
		return r, 0, 0, err
	}
	defer g.stop()
	before := spent(g.cmd.Process.Pid)
	r, err = b.load(ctx, g.url, mode)
	return r, (spent(g.cmd.Process.Pid) - before) / float64(max(1, r.Items)), g.peak(), err
}
