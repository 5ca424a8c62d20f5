package main

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // reads PostgreSQL beside the gateway
	_ "modernc.org/sqlite"             // reads SQLite beside the gateway
)

// A rowCount looks into the database of a gateway that runs.
type rowCount struct {
	t    *testing.T
	db   *sql.DB
	text string
}

// newRowCount finds the tables of the database.
func newRowCount(t *testing.T, dir string, env []string) *rowCount {
	t.Helper()
	driver, dsn := "sqlite", "file:"+filepath.Join(dir, "odziv.db")+"?mode=ro&_pragma=busy_timeout(10000)"
	tables := `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`
	for _, e := range env {
		if url, ok := strings.CutPrefix(e, "ODZIV_DATABASE_URL="); ok && url != "" {
			driver, dsn = "pgx", url
			tables = `SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename`
		}
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	rows, err := db.QueryContext(t.Context(), tables)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var parts []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		switch name { // written in the pauses of the writer, by the sends before
		case "contacts", "identities", "contact_events", "consents", "suppressions":
			continue
		}
		what := name
		if name == "ledger" {
			// Time does not stand still: what was held is looked at again when it is due, and may be expired or suppressed then.
			what += " WHERE NOT EXISTS (SELECT 1 FROM ledger h WHERE h.send_id = ledger.send_id AND h.type = 'send.held')"
		}
		parts = append(parts, fmt.Sprintf("SELECT '%s' AS name, count(*) FROM %s", name, what))
	}
	if rows.Err() != nil || len(parts) < 8 {
		t.Fatalf("%d tables: %v", len(parts), rows.Err())
	}
	return &rowCount{t, db, strings.Join(parts, " UNION ALL ") + " ORDER BY name"}
}

// count gives the number of rows of each table that has any.
func (c *rowCount) count() string {
	c.t.Helper()
	rows, err := c.db.QueryContext(c.t.Context(), c.text)
	if err != nil {
		c.t.Fatal(err)
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			c.t.Fatal(err)
		}
		if n > 0 {
			fmt.Fprintf(&b, "%s %d ", name, n)
		}
	}
	if err := rows.Err(); err != nil {
		c.t.Fatal(err)
	}
	return b.String()
}

// busy counts the sends that somebody works on or will at once, and what came in and is not read yet. What is taken is due again when its
// lease of 60 s ends.
func (c *rowCount) busy() (n int) {
	c.t.Helper()
	err := c.db.QueryRowContext(c.t.Context(), `
SELECT (SELECT count(*) FROM inbox WHERE result = '') + (SELECT count(*) FROM sends WHERE lane <> '' AND due_at < $1
AND NOT (status = 'scheduled' AND reason IN ('outside_window', 'cooldown', 'limit')))`, time.Now().Add(5*time.Minute).UnixMicro()).Scan(&n)
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}
