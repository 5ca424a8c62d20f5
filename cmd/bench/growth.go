package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	fewSends   = 10_000
	growthGoal = 1.15 // times the cost among few
	fillTime   = 90 * time.Second
)

// growth measures what a send costs among few and among very many that wait for their time.
func (b *bench) growth(ctx context.Context, kind string) error {
	g, err := b.noopGateway(ctx, kind)
	if err != nil {
		return err
	}
	defer g.stop()
	var cost, mem [2]float64
	done, waiting := 0, 0
	for i, size := range []int{fewSends, b.many} {
		start := time.Now()
		r, err := b.load(ctx, g.url, "batch", "-delay", "48h", "-limit", strconv.Itoa(size-waiting), "-base", strconv.Itoa(100_000_000+waiting), "-seconds", fillTime.String())
		if err != nil {
			return err
		}
		waiting += r.Items
		progress("growth %s: %d sends wait after another %.0f s", kind, waiting, time.Since(start).Seconds())
		var costs []float64
		for range b.rounds {
			before := b.spentAll(ctx, g)
			if _, err := b.load(ctx, g.url, "batch", "-limit", strconv.Itoa(b.n), "-base", strconv.Itoa(firstOfLoad+done), "-seconds", "2m"); err != nil {
				return err
			}
			done += b.n
			if err := g.stub().wait(ctx, done); err != nil {
				return err
			}
			costs = append(costs, (b.spentAll(ctx, g)-before)/float64(b.n))
		}
		cost[i], mem[i] = median(costs), g.peak()
		progress("growth %s: %.1f µs a send among %d, peak memory %.0f MB", kind, cost[i], waiting, mem[i])
	}
	where := b.where(kind)
	b.rows = append(b.rows,
		row{
			work: fmt.Sprintf("CPU of a send, accept to provider, among %s that wait, %s", thousands(float64(waiting)), where), limit: cost[0],
			of: "among " + thousands(fewSends), got: cost[1], unit: "µs", goal: "≤ 1.15 × the limit", met: waiting >= b.many && cost[1] <= growthGoal*cost[0],
			note: "gateway, and the server's connections with PostgreSQL",
		},
		row{
			work: fmt.Sprintf("peak memory among %s that wait, %s", thousands(float64(waiting)), where), limit: mem[0], of: "among " + thousands(fewSends),
			got: mem[1], unit: "MB", goal: "≤ 120 MB", met: mem[1] <= memoryGoal,
		})
	return nil
}

// spentAll is the processor time of a gateway and of what PostgreSQL does for it, in microseconds.
func (b *bench) spentAll(ctx context.Context, g *process) float64 {
	sum := spent(g.cmd.Process.Pid)
	if g.application == "" {
		return sum
	}
	conn, err := pgx.Connect(ctx, b.database)
	if err != nil {
		return sum
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT pid FROM pg_stat_activity WHERE application_name = $1`, g.application)
	if err != nil {
		return sum
	}
	pids, _ := pgx.CollectRows(rows, pgx.RowTo[int32])
	for _, pid := range pids {
		sum += spent(int(pid))
	}
	return sum
}

// thousands writes a number with commas.
func thousands(f float64) string {
	s := strconv.FormatFloat(f, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
