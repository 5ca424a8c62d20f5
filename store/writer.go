package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/odziv/odziv/survey"
)

const (
	queueLength = 1024 // jobs that wait before callers do
	groupRows   = 1000 // rows after which a group is full: a larger one spares nothing, and the callers of its parts come again all at once
	groupJobs   = 1024
	flushAfter  = 100 * time.Millisecond // without work, until contacts are written
	// With work, how often some contacts are written in between.
	flushAtLeast = 250 * time.Millisecond
	lingerAfter  = 4 // jobs of the last group, from which on the next one is waited for
)

const releaseAlone = `RELEASE SAVEPOINT alone`

// A kind of job: those of one kind are merged into common statements.
type kind int

const (
	acceptJob kind = iota
	applyJob
	takeJob
	putInboundJob
	doneInboundJob
	otherJob
	contactsJob
	kinds
)

// A job is one change that waits for the writer.
type job struct {
	kind kind
	rows int             // about how many rows it writes; of a contactsJob, how many sends of the backlog it looks at
	gone <-chan struct{} // closed when the caller no longer waits
	work any             // *acceptWork, *applyWork, …; of a contactsJob a *string for what is still owed, or nil
	err  error
	done chan struct{}
}

// do hands a job to the writer and waits for its commit.
func (s *Store) do(ctx context.Context, k kind, rows int, work any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{kind: k, rows: rows, gone: ctx.Done(), work: work, done: make(chan struct{})}
	if err := s.enqueue(ctx, j); err != nil {
		return err
	}
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) enqueue(ctx context.Context, j *job) error {
	s.mu.RLock() // held while it waits for room: Close waits, and the writer goes on
	defer s.mu.RUnlock()
	if s.closed {
		return ErrClosed
	}
	select {
	case s.queue <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// other runs fn in the writer's transaction, behind a savepoint. fn may run more than once.
func (s *Store) other(ctx context.Context, fn func(context.Context, *tx) error) error {
	return s.do(ctx, otherJob, 1, fn)
}

// A writer owns one connection.
type writer struct {
	store   *Store
	connect func(context.Context) (link, error)
	tx      *tx // nil: not connected
	kept    []contact
	behind  backlog
	flushed time.Time
	part    int // sends of the backlog in the next commit of contacts
	last    int // jobs of the last group
}

func (w *writer) open(ctx context.Context) error {
	l, err := w.connect(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if text := w.store.dialect.writer; text != "" {
		if err := l.later(ctx, shaped{text: text}, "", nil); err != nil {
			l.close()
			return fmt.Errorf("connect: %w", err)
		}
	}
	w.tx = &tx{link: l, dialect: w.store.dialect}
	return nil
}

func (w *writer) disconnect() {
	if w.tx != nil {
		w.tx.link.close()
		w.tx = nil
	}
}

// run writes group after group until the queue is closed and empty.
func (w *writer) run() {
	defer w.disconnect()
	idle := time.NewTimer(flushAfter)
	defer idle.Stop()
	for {
		select {
		case first, ok := <-w.store.queue:
			if !ok {
				w.flush()
				return
			}
			w.write(w.gather(first))
			if len(w.store.queue) == 0 && time.Since(w.flushed) > flushAtLeast { // else there may never be a pause
				w.flush()
			}
			idle.Reset(flushAfter)
		case <-idle.C:
			w.flush()
			if w.behind.from != "" {
				idle.Reset(time.Millisecond)
			}
		}
	}
}

// gather gives a job and those that wait behind it. Callers whose answers came with the last commit ask again at once, and together: a group
// that begins with the first of them is followed by one of the others, and each costs its own pages and fsync. So it waits a moment for
// as many as there were last time.
func (w *writer) gather(first *job) []*job {
	group, rows := []*job{first}, first.rows
	defer func() { w.last = len(group) }()
	var late <-chan time.Time
	for rows < groupRows && len(group) < groupJobs {
		var j *job // nil: the queue is closed
		select {
		case j = <-w.store.queue:
		default:
			if w.last < lingerAfter || len(group) >= w.last || w.store.dialect.linger == 0 {
				return group
			}
			if late == nil {
				late = time.After(w.store.dialect.linger)
			}
			select {
			case j = <-w.store.queue:
			case <-late:
			}
		}
		if j == nil {
			return group
		}
		group, rows = append(group, j), rows+j.rows
	}
	return group
}

// flush writes the contacts that were kept back, and some of those that there was no time for. A fault is no caller's:
// they are tried again with the next ones.
func (w *writer) flush() {
	defer func() { w.flushed = time.Now() }()
	if len(w.kept) == 0 && w.behind.from == "" {
		return
	}
	ctx, start, behind := context.Background(), time.Now(), w.behind.from != ""
	if _, err := w.commit(ctx, []*job{{kind: contactsJob, rows: w.part}}); err != nil {
		w.store.log.WarnContext(ctx, "contacts not written", "contacts", len(w.kept), "error", err)
	}
	if behind {
		w.part = backlogPart(w.part, time.Since(start))
	}
}

// write commits a group, or else each of its jobs alone, and releases the callers.
func (w *writer) write(group []*job) {
	ctx := context.Background() // a group belongs to no caller
	live := group[:0:0]
	for _, j := range group {
		select {
		case <-j.gone: // nobody waits for it
			j.err = context.Canceled
			close(j.done)
		default:
			live = append(live, j)
		}
	}
	retry, err := w.commit(ctx, live)
	if err != nil && retry && len(live) > 1 {
		w.store.log.WarnContext(ctx, "merged transaction failed, trying its parts alone", "parts", len(live), "error", err)
		for _, j := range live {
			j.err = nil
			if _, err := w.commit(ctx, []*job{j}); err != nil {
				j.err = err
			}
			close(j.done)
		}
		return
	}
	for _, j := range live {
		if err != nil {
			j.err = err
		}
		close(j.done)
	}
}

// commit runs the jobs in one transaction. retry says that the connection is well and that the fault may be of one
// job only.
func (w *writer) commit(ctx context.Context, jobs []*job) (retry bool, err error) {
	if len(jobs) == 0 {
		return false, nil
	}
	if t := w.store.dialect.timeout; t > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t)
		defer cancel()
	}
	if w.tx == nil {
		if err := w.open(ctx); err != nil {
			return false, unanswered(err)
		}
	}
	w.tx.fresh, w.tx.kept, w.tx.wrote, w.tx.behind = w.tx.fresh[:0], w.kept, false, w.behind
	if err := w.tx.later(ctx, w.store.dialect.begin); err != nil {
		w.disconnect()
		return false, unanswered(fmt.Errorf("begin: %w", err))
	}
	var by [kinds][]*job
	for _, j := range jobs {
		by[j.kind] = append(by[j.kind], j)
	}
	for k, jobs := range by {
		if len(jobs) == 0 {
			continue
		}
		if err := w.merge(ctx, kind(k), jobs); err != nil {
			return w.undo(ctx, err, survey.ErrUnavailable)
		}
	}
	if err := w.tx.link.commit(ctx); err != nil {
		fresh := w.tx.fresh
		good, err := w.undo(ctx, fmt.Errorf("commit: %w", err), survey.ErrInDoubt)
		if !good { // what there is of them is read back
			w.behind.lose(fresh)
		}
		return good, err
	}
	w.behind = w.tx.behind
	if w.tx.wrote {
		clear(w.kept)
		w.kept = w.kept[:0]
	} else {
		w.kept = append(w.kept, w.tx.fresh...)
	}
	clear(w.tx.fresh)
	return false, nil
}

// undo ends a transaction that failed. lost is what that means when its connection is lost too.
func (w *writer) undo(ctx context.Context, err, lost error) (good bool, _ error) {
	if w.rollback(ctx) {
		return true, err
	}
	return false, fmt.Errorf("%w: %w", lost, err)
}

// rollback reports whether the connection is still good.
func (w *writer) rollback(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := w.tx.link.rollback(ctx); err != nil {
		w.store.log.WarnContext(ctx, "writer lost its connection", "error", err)
		w.disconnect()
		return false
	}
	return true
}

// merge runs the jobs of one kind. Its error is of the whole transaction; a job's own goes into the job.
func (w *writer) merge(ctx context.Context, k kind, jobs []*job) error {
	switch k {
	case acceptJob:
		return w.store.runAccept(ctx, w.tx, jobs)
	case applyJob:
		return w.store.runApply(ctx, w.tx, jobs)
	case takeJob:
		return w.store.runTake(ctx, w.tx, jobs)
	case putInboundJob:
		return w.store.runPutInbound(ctx, w.tx, jobs)
	case doneInboundJob:
		return w.store.runDoneInbound(ctx, w.tx, jobs)
	case contactsJob:
		err := w.store.runContacts(ctx, w.tx, jobs[0].rows)
		for _, j := range jobs {
			if owed, ok := j.work.(*string); ok {
				*owed = w.tx.behind.from
			}
		}
		return err
	case otherJob, kinds:
	}
	for _, j := range jobs {
		if err := w.alone(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

// alone runs one job of its own statements: its fault undoes it and nothing else.
func (w *writer) alone(ctx context.Context, j *job) error {
	fn, ok := j.work.(func(context.Context, *tx) error)
	if !ok {
		return fmt.Errorf("unknown work %T", j.work)
	}
	if err := w.tx.later(ctx, `SAVEPOINT alone`); err != nil {
		return err
	}
	j.err = protect(func() error { return fn(ctx, w.tx) })
	if j.err == nil && w.tx.link.waits() { // for its answer: a fault of it would come with the next job, and be taken for that one's
		if _, j.err = w.tx.exec(ctx, releaseAlone); j.err == nil {
			return nil
		}
	}
	if j.err != nil {
		if _, err := w.tx.exec(ctx, `ROLLBACK TO SAVEPOINT alone`); err != nil {
			return errors.Join(j.err, err)
		}
	}
	return w.tx.later(ctx, releaseAlone)
}
