package main

import (
	"context"
	"fmt"

	"github.com/odziv/odziv/store"
)

// migrateCmd brings the tables up to date. Every command with a store does so at its start; this one does nothing
// else, for operators who want it as a step of its own.
type migrateCmd struct {
	configFlags `embed:""`
}

// Run migrates.
func (c *migrateCmd) Run(ctx context.Context, std *streams) error {
	s, err := c.openStore(ctx, std)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(std.Out, "the database has the schema of this version")
	return s.Close()
}

// openStore opens the store that the configuration names.
func (f configFlags) openStore(ctx context.Context, std *streams) (*store.Store, error) {
	cfg, err := f.load(std.Getenv)
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, store.Config{URL: string(cfg.DatabaseURL), Dir: cfg.DataDir, Log: newLog(std.Err, cfg.LogLevel)})
}
