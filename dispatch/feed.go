package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hibiken/asynq"

	"github.com/odziv/odziv/survey"
)

// The tasks. Their payloads hold references only: no words, no people.
const (
	taskDeliver    = "deliver"
	taskUnderstand = "understand"
)

type deliverPayload struct {
	Lane string       `json:"lane"`
	Refs []survey.Ref `json:"refs"`
}

type understandPayload struct {
	IDs []string `json:"ids"`
}

const (
	batchSize = 100  // references in a task
	laneDepth = 1000 // references of a lane in Redis that nobody works on yet
)

// feed takes what is due, lane by lane, until ctx ends.
func (d *Dispatcher) feed(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		case <-timer.C:
		}
		more, next := d.feedOnce(ctx)
		if more {
			d.Wake()
		}
		timer.Reset(next)
	}
}

// feedOnce looks at every lane once. More says that something is left that may be taken at once; next is when to look again.
func (d *Dispatcher) feedOnce(ctx context.Context) (more bool, next time.Duration) {
	next = d.cfg.Poll
	n, err := d.feedInbox(ctx)
	if err != nil {
		d.complain(ctx, "feed inbox", err)
	}
	more = n == batchSize
	lanes, err := d.cfg.Feed.DueLanes(ctx, d.cfg.Now())
	if err != nil {
		d.complain(ctx, "due lanes", err)
		return more, next
	}
	for _, lane := range lanes {
		again, wait, err := d.feedLane(ctx, lane)
		if err != nil {
			d.complain(ctx, "feed lane", err)
			continue
		}
		more = more || again
		if wait > 0 && wait < next {
			next = wait
		}
	}
	return more, next
}

func (d *Dispatcher) complain(ctx context.Context, what string, err error) {
	if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		d.cfg.Log.WarnContext(ctx, "feeding failed, tried again", "what", what, "error", err)
	}
}

// feedLane takes as many as the lane's rate grants and its queue has room for.
func (d *Dispatcher) feedLane(ctx context.Context, lane string) (again bool, wait time.Duration, err error) {
	sender, ok := d.cfg.Senders[lane]
	if !ok {
		return false, 0, d.orphans(ctx, lane)
	}
	most, until, _ := d.health.allow(ctx, lane)
	if most == 0 {
		return false, until.Sub(d.cfg.Now()), d.moveOver(ctx, sender, until)
	}
	// The length of asynq's own list: its Inspector forgets queues when Redis is flushed.
	waiting, err := d.cfg.Redis.LLen(ctx, "asynq:{"+laneQueue(lane)+"}:pending").Result()
	if err != nil {
		return false, 0, fmt.Errorf("length of lane %s: %w", lane, err)
	}
	if waiting >= laneDepth/batchSize {
		return false, 5 * time.Millisecond, nil
	}
	due, err := d.cfg.Feed.Due(ctx, lane, d.cfg.Now(), laneDepth/2)
	if err != nil || len(due) == 0 {
		return false, 0, err
	}
	if most > 0 {
		due = due[:min(len(due), most)]
	}
	room, wait, err := d.room(ctx, sender, int(waiting), len(due))
	if err != nil || room == 0 {
		return false, wait, err
	}
	due = due[:room]
	granted, wait, err := d.pace.take(ctx, lane, sender.Rates, d.pace.gate(lane).weights(len(due)))
	if err != nil || granted == 0 {
		return false, wait, err
	}
	refs, err := d.takeUp(ctx, lane, due[:granted])
	if err != nil && len(refs) == 0 {
		return false, 0, err
	}
	for len(refs) > 0 {
		n := min(len(refs), batchSize)
		if err := d.enqueue(ctx, laneQueue(lane), taskDeliver, deliverPayload{Lane: lane, Refs: refs[:n]}); err != nil {
			return false, 0, err // the rest is due again when the lease ends
		}
		refs = refs[n:]
	}
	return granted == len(due) && len(due) == laneDepth/2, wait, nil
}

// room is for how many more messages the long windows of a lane have turns, beside those that wait in Redis, of each task as many as it could
// have, and those that this process works on. What others work on is not known: what they had taken too may find no turn, and waits for one.
func (d *Dispatcher) room(ctx context.Context, sender Sender, waiting, wanted int) (n int, wait time.Duration, err error) {
	if !slices.ContainsFunc(sender.Rates, Rate.long) {
		return wanted, 0, nil
	}
	under := waiting*batchSize + int(d.slots[sender.Name].under.Load())
	n, wait, err = d.pace.room(ctx, sender.Name, sender.Rates, d.pace.gate(sender.Name).weights(under+wanted))
	return max(0, n-under), wait, err
}

// takeUp takes what is due, or as much of what is due behind it: another process may have taken some meanwhile, and what was granted
// would be lost.
func (d *Dispatcher) takeUp(ctx context.Context, lane string, due []survey.Ref) ([]survey.Ref, error) {
	wanted := len(due)
	var refs []survey.Ref
	for range 3 {
		taken, err := d.cfg.Feed.Take(ctx, lane, due, d.cfg.Now().Add(d.cfg.Lease+d.cfg.Lease/4))
		if err != nil {
			return refs, err
		}
		if refs = append(refs, taken...); len(refs) == wanted {
			break
		}
		if due, err = d.cfg.Feed.Due(ctx, lane, d.cfg.Now(), wanted-len(refs)); err != nil || len(due) == 0 {
			return refs, err
		}
	}
	return refs, nil
}

// orphanGrace is how long what is due waits for a sender that this process does not know: while the configuration of many
// processes changes, another one may know it.
const orphanGrace = 10 * time.Minute

// orphans closes the lane of a sender that the configuration does not know any more.
func (d *Dispatcher) orphans(ctx context.Context, lane string) error {
	due, err := d.cfg.Feed.Due(ctx, lane, d.cfg.Now().Add(-orphanGrace), batchSize)
	if err != nil {
		return err
	}
	for _, ref := range due {
		_, err := d.cfg.Sends.Apply(ctx, ref.ID, func(s *survey.State) error {
			if a := survey.Unsettled(s); a != nil { // nobody can ask its provider any more
				return survey.Doubt(s, lane, ref.Epoch, a.ID, a.At.Add(d.cfg.Grace), d.cfg.Grace, d.cfg.Now())
			}
			return survey.Drop(s, lane, ref.Epoch, survey.ReasonNoSender, "no sender "+lane+" is configured", d.cfg.Now())
		})
		if err != nil && !errors.Is(err, survey.ErrConflict) {
			return err
		}
	}
	return nil
}

func (d *Dispatcher) feedInbox(ctx context.Context) (int, error) {
	waiting, err := d.cfg.Redis.LLen(ctx, "asynq:{"+inboxQueue+"}:pending").Result()
	if err != nil {
		return 0, fmt.Errorf("length of the inbox: %w", err)
	}
	if waiting >= laneDepth/batchSize {
		return 0, nil
	}
	now := d.cfg.Now()
	ids, err := d.cfg.Feed.TakeInbound(ctx, now, now.Add(d.cfg.Lease), batchSize)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	return len(ids), d.enqueue(ctx, inboxQueue, taskUnderstand, understandPayload{IDs: ids})
}

func (d *Dispatcher) enqueue(ctx context.Context, queue, kind string, payload any) error {
	body, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("encode %s: %w", kind, err)
	}
	task := asynq.NewTask(kind, body)
	// Timeout ends a batch before its lease does. Retries are for infrastructure: what is safe then, the claims tell.
	_, err = d.client.EnqueueContext(ctx, task, asynq.Queue(queue), asynq.MaxRetry(3), asynq.Timeout(d.cfg.Lease),
		asynq.TaskID(d.ids.New(survey.BatchPrefix, d.cfg.Now())))
	if err != nil {
		return fmt.Errorf("enqueue %s: %w", kind, err)
	}
	return nil
}
