package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// openRedis connects to url, or starts a Redis in this process when url is empty: the store is the truth, so it may
// vanish with us.
func openRedis(ctx context.Context, url string) (redis.UniversalClient, func(), error) {
	if url != "" {
		options, err := redis.ParseURL(url)
		if err != nil {
			return nil, nil, fmt.Errorf("redis_url: %w", err)
		}
		options.PoolSize = 64
		rdb := redis.NewClient(options)
		if err := rdb.Ping(ctx).Err(); err != nil {
			_ = rdb.Close()
			return nil, nil, fmt.Errorf("redis at %s does not answer: %w; check redis_url", options.Addr, err)
		}
		return rdb, func() { _ = rdb.Close() }, nil
	}
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		return nil, nil, fmt.Errorf("start redis in process: %w", err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), PoolSize: 64})
	rdb.AddHook(newIdleHook())
	done := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() { // its clock stands still by itself: times to live end only when it is moved on
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				server.FastForward(time.Second)
			}
		}
	})
	return rdb, func() {
		close(done)
		ticking.Wait()
		_ = rdb.Close()
		server.Close()
	}, nil
}
