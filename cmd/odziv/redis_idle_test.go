package main

import (
	"errors"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

func TestIdleHook(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	rdb.AddHook(newIdleHook())
	dequeue := redis.NewScript(`return redis.call('RPOP', KEYS[1])`)
	ask := func(queue string) string {
		t.Helper()
		got, err := dequeue.Run(t.Context(), rdb, []string{"asynq:{" + queue + "}:pending", "asynq:{" + queue + "}:paused"}).Text()
		if err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		return got
	}
	asked := func(reached bool, queue, work string) {
		t.Helper()
		before := server.CommandCount()
		if got := ask(queue); got != work {
			t.Errorf("queue %s gives %q; want %q", queue, got, work)
		}
		if got := server.CommandCount() > before; got != reached {
			t.Errorf("queue %s: Redis was asked: %t; want %t", queue, got, reached)
		}
	}
	asked(true, "a", "")
	asked(false, "a", "")
	asked(true, "b", "")
	asked(false, "a", "")
	if err := rdb.LPush(t.Context(), "asynq:{a}:pending", "task 1", "task 2").Err(); err != nil {
		t.Fatal(err)
	}
	asked(true, "a", "task 1")
	asked(true, "a", "task 2")
	asked(true, "a", "")
	asked(false, "a", "")
	for _, work := range []string{"task 3", "task 4"} { // the first may need a connection, which is a call too
		asked(true, "b", "")
		asked(false, "b", "")
		_, err := rdb.Pipelined(t.Context(), func(p redis.Pipeliner) error { return p.LPush(t.Context(), "asynq:{b}:pending", work).Err() })
		if err != nil {
			t.Fatal(err)
		}
		asked(true, "b", work)
	}
	if rdb.LLen(t.Context(), "asynq:{a}:pending").Val() != 0 { // reading wakes nobody
		t.Error("queue a has work")
	}
	asked(true, "a", "")
	asked(false, "a", "")
}
