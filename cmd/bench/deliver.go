package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Goals of delivering.
const (
	noopGoal  = 15_000 // sends a second
	smsGoal   = 5_000
	replyGoal = 5_000
	replyP99  = 20 // ms
	// listmonk sent 4,924 mails a second to a sink in C on a machine like this, without a record of each.
	emailGoal   = 4_924
	idleGoal    = 30  // ms
	memoryGoal  = 120 // MB
	startGoal   = 300 // ms
	replyConns  = 32
	idleRuns    = 20
	firstOfLoad = 100 // number of the first item after those of the idle runs
)

// delivered is what one run of deliveries was like, or many: a value for each.
type delivered struct{ rate, cost, stored, understood, p99, rss, idle, start, lean []float64 }

// deliver measures from the first request to the last message at the provider, and replies back.
func (b *bench) deliver(ctx context.Context, kind, channel string) error {
	var d delivered
	for range max(1, b.rounds-1) {
		if err := b.deliverOnce(ctx, kind, channel, &d); err != nil {
			return err
		}
	}
	where := b.where(kind)
	goal, of := float64(smsGoal), ""
	if channel == "email" {
		goal, of = emailGoal, "the same mails by go-mail alone, lean, and nothing else"
	}
	b.rows = append(b.rows,
		row{
			work: channel + " end to end, " + where, got: median(d.rate), unit: "sends/s", goal: "≥ " + thousands(goal) + "/s", met: median(d.rate) >= goal,
			limit: median(d.lean), of: of, note: fmt.Sprintf("%.0f µs CPU of the gateway a send", median(d.cost)),
		},
		row{work: channel + " idle latency, POST → provider, " + where, got: median(d.idle), unit: "ms", goal: "< 30 ms", met: median(d.idle) < idleGoal},
		row{work: channel + " peak memory, " + where, got: median(d.rss), unit: "MB", goal: "≤ 120 MB", met: median(d.rss) <= memoryGoal})
	if channel == "sms" {
		b.rows = append(b.rows,
			row{work: "start to ready, " + where, got: median(d.start), unit: "ms", goal: "< 300 ms", met: median(d.start) < startGoal},
			row{
				work: "signed reply → understood, next question at the provider, " + where, got: median(d.understood), unit: "replies/s",
				note: "with the whole delivery of that question",
			})
	}
	return nil
}

func (b *bench) deliverOnce(ctx context.Context, kind, channel string, d *delivered) error {
	stub, err := b.role(ctx, map[string]string{"sms": "twilio", "email": "smtp"}[channel])
	if err != nil {
		return err
	}
	defer stub.stop()
	sunk := 0
	if channel == "email" {
		lean, err := b.result(ctx, "gomail", "-to", stub.extra, "-n", strconv.Itoa(b.n))
		if err != nil {
			return err
		}
		d.lean, sunk = append(d.lean, rate(lean)), b.n
		progress("go-mail alone: %.0f/s", rate(lean))
	}
	g, err := b.gateway(ctx, kind, b.redis, stub.senders(channel), "api,webhooks,worker")
	if err != nil {
		return err
	}
	defer g.stop()
	latency, err := b.latency(ctx, g, stub, channel, sunk)
	if err != nil {
		return err
	}
	d.idle, d.start = append(d.idle, latency), append(d.start, float64(g.started.Microseconds())/1000)
	r, cost, err := b.throughput(ctx, g, stub, sunk+idleRuns, "-channel", channel)
	if err != nil {
		return err
	}
	d.rate, d.cost = append(d.rate, r), append(d.cost, cost)
	progress("deliver %s %s: %.0f/s, %.0f µs, idle %.0f ms, ready after %.0f ms", channel, b.where(kind), r, cost, latency, d.start[len(d.start)-1])
	if channel == "sms" {
		if err := b.replies(ctx, g, stub, idleRuns+b.n, d); err != nil {
			return err
		}
	}
	d.rss = append(d.rss, g.peak())
	return nil
}

// throughput is the rate of n sends from the first request to the last message at the provider, which has had some
// before, and the µs of the gateway's processor time for each.
func (b *bench) throughput(ctx context.Context, g, stub *process, had int, extra ...string) (perSecond, cost float64, err error) {
	before, start := spent(g.cmd.Process.Pid), time.Now()
	sent := make(chan error, 1)
	go func() {
		_, err := b.load(ctx, g.url, "batch", append([]string{"-limit", strconv.Itoa(b.n), "-base", strconv.Itoa(firstOfLoad), "-seconds", "2m"}, extra...)...)
		sent <- err
	}()
	if err := stub.wait(ctx, had+b.n); err != nil {
		return 0, 0, err
	}
	took := time.Since(start)
	return float64(b.n) / took.Seconds(), (spent(g.cmd.Process.Pid) - before) / float64(b.n), <-sent
}

// replies answers every invitation, and waits until each has its next question.
func (b *bench) replies(ctx context.Context, g, stub *process, had int, d *delivered) error {
	r, err := b.load(ctx, g.url, "reply", "-limit", strconv.Itoa(b.n), "-base", strconv.Itoa(firstOfLoad), "-conns", strconv.Itoa(replyConns),
		"-token", authToken, "-public", g.url, "-seconds", "2m")
	if err != nil {
		return err
	}
	start := time.Now()
	if err := stub.wait(ctx, had+b.n); err != nil { // the next questions
		return err
	}
	understood := float64(b.n) / (r.Seconds + time.Since(start).Seconds())
	d.stored, d.understood, d.p99 = append(d.stored, rate(r)), append(d.understood, understood), append(d.p99, r.P99Ms)
	progress("replies: %.0f/s taken, p99 %.1f ms, %.0f/s understood and answered", rate(r), r.P99Ms, understood)
	return nil
}

// noop measures everything but the provider: the driver returns at once.
func (b *bench) noop(ctx context.Context, kind string) error {
	var d delivered
	for range max(1, b.rounds-1) {
		if err := b.noopOnce(ctx, kind, &d); err != nil {
			return err
		}
	}
	where := b.where(kind)
	b.rows = append(b.rows,
		row{
			work: "accepted by batch → handed to a provider that does nothing, " + where, got: median(d.rate), unit: "sends/s", goal: "≥ 15,000/s",
			met: median(d.rate) >= noopGoal, note: fmt.Sprintf("with decision, render and ledger; %.0f µs CPU of the gateway a send; peak memory %.0f MB", median(d.cost), median(d.rss)),
		},
		row{
			work: "signed reply → stored, understood, next question queued, " + where, got: median(d.understood), unit: "replies/s", goal: "≥ 5,000/s, p99 < 20 ms",
			met:  median(d.understood) >= replyGoal && median(d.p99) < replyP99,
			note: fmt.Sprintf("and handed to a provider that does nothing; stored and answered %.0f/s, p99 %.1f ms over %d connections", median(d.stored), median(d.p99), replyConns),
		})
	return nil
}

func (b *bench) noopOnce(ctx context.Context, kind string, d *delivered) error {
	g, err := b.noopGateway(ctx, kind)
	if err != nil {
		return err
	}
	defer g.stop()
	r, cost, err := b.throughput(ctx, g, g.stub(), 0)
	if err != nil {
		return err
	}
	d.rate, d.cost = append(d.rate, r), append(d.cost, cost)
	progress("no-op %s: %.0f/s, %.0f µs", b.where(kind), r, cost)
	if err := b.replies(ctx, g, g.stub(), b.n, d); err != nil {
		return err
	}
	d.rss = append(d.rss, g.peak())
	return nil
}

// latency is the median time from a request to its message at the provider, one at a time, in milliseconds. The provider
// has had some before.
func (b *bench) latency(ctx context.Context, g, stub *process, channel string, had int) (float64, error) {
	var took []float64
	l := load{url: g.url, key: benchKey, channel: channel}
	for i := range idleRuns {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"/v1/sends", strings.NewReader(string(l.order(nil, i))))
		if err != nil {
			return 0, err
		}
		req.Header.Set("Authorization", "Bearer "+benchKey)
		req.Header.Set("Content-Type", "application/json")
		start := time.Now()
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			return 0, fmt.Errorf("accept: %s %s", resp.Status, text)
		}
		if err := stub.wait(ctx, had+i+1); err != nil {
			return 0, err
		}
		took = append(took, float64(time.Since(start).Microseconds())/1000)
	}
	return median(took), nil
}
