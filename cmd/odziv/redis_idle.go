package main

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// An idleHook spares a Redis in this process the question for work that asynq asks fifty times a second of every queue: nobody
// else can put any there, so a queue that was empty is empty until this process has made another call.
//
// The question is the script of rdb.Dequeue in asynq 0.26, told by its keys; were they others, it would be asked as ever.
type idleHook struct {
	calls atomic.Uint64 // that may have put something into a queue, and have ended
	mu    sync.Mutex
	empty map[string]uint64 // guarded by mu: the queues that were empty, and after how many calls
}

func newIdleHook() *idleHook { return &idleHook{empty: map[string]uint64{}} }

// DialHook implements redis.Hook.
func (*idleHook) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (h *idleHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		queue, asks := asksForWork(cmd)
		if !asks {
			err := next(ctx, cmd)
			if name := cmd.Name(); name != "llen" && name != "exists" { // the feeder's questions change nothing
				h.calls.Add(1) // after it: whoever asks before finds nothing, and asks again
			}
			return err
		}
		had := h.calls.Load()
		h.mu.Lock()
		at, ok := h.empty[queue]
		h.mu.Unlock()
		if ok && at == had {
			cmd.SetErr(redis.Nil)
			return redis.Nil
		}
		err := next(ctx, cmd)
		h.mu.Lock()
		defer h.mu.Unlock()
		if err == redis.Nil { //nolint:errorlint // as the client gives it
			h.empty[queue] = had
		} else {
			delete(h.empty, queue)
		}
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (h *idleHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		h.calls.Add(1)
		return err
	}
}

// asksForWork gives the queue that asynq asks for a task. The arguments are: evalsha, the script, the number of keys, the list of what
// waits, whether it is paused, …
func asksForWork(cmd redis.Cmder) (queue string, ok bool) {
	args := cmd.Args()
	if len(args) < 5 || !strings.HasPrefix(cmd.Name(), "eval") {
		return "", false
	}
	pending, _ := args[3].(string)
	paused, _ := args[4].(string)
	queue, ok = strings.CutSuffix(pending, ":pending")
	return queue, ok && paused == queue+":paused"
}
