package store

import (
	"context"
	"fmt"
)

// A pool lends connections for reading. What is read for every send goes through it: database/sql looks at every value
// twice more.
type pool struct {
	connect func(context.Context) (link, error)
	lent    chan struct{} // holds one for each connection in use
	idle    chan link
}

func newPool(size int, connect func(context.Context) (link, error)) *pool {
	return &pool{connect: connect, lent: make(chan struct{}, size), idle: make(chan link, size)}
}

// each runs a query. A connection that died while nobody used it is replaced once, before fn saw a row.
func (p *pool) each(ctx context.Context, key shaped, shape string, args []any, fn func(scanner) error) error {
	select {
	case p.lent <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.lent }()
	for fresh := false; ; fresh = true {
		l, err := p.take(ctx, fresh)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		seen := false
		err = l.each(ctx, key, shape, args, func(row scanner) error {
			seen = true
			return fn(row)
		})
		if l.good(err) {
			p.idle <- l // there is room: it holds as many as may be lent
			return err
		}
		l.close()
		if fresh || seen || ctx.Err() != nil {
			return err
		}
	}
}

func (p *pool) take(ctx context.Context, fresh bool) (link, error) {
	if !fresh {
		select {
		case l := <-p.idle:
			return l, nil
		default:
		}
	}
	return p.connect(ctx)
}

// close waits for what is lent.
func (p *pool) close() {
	for range cap(p.lent) {
		p.lent <- struct{}{}
	}
	for {
		select {
		case l := <-p.idle:
			l.close()
		default:
			return
		}
	}
}
