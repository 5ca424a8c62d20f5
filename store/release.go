package store

import (
	"context"
	"fmt"

	"github.com/odziv/odziv/survey"
)

const (
	insertRelease = `
INSERT INTO releases (survey, version, texts, actor, note, at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (survey, version) DO NOTHING`

	currentVersion  = `SELECT COALESCE(max(version), 0) FROM releases WHERE survey = $1`
	currentVersions = `SELECT survey, max(version) FROM releases GROUP BY survey`

	selectRelease  = `SELECT survey, version, texts, actor, note, at FROM releases WHERE survey = $1 AND version = $2`
	selectReleases = `SELECT survey, version, '', actor, note, at FROM releases WHERE survey = $1 ORDER BY version DESC`

	selectDrafts = `SELECT kind, channel, locale, subject, text, html FROM drafts WHERE survey = $1 ORDER BY kind, channel, locale`

	upsertDraft = `
INSERT INTO drafts (survey, kind, channel, locale, subject, text, html, actor, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (survey, kind, channel, locale) DO UPDATE SET subject = excluded.subject, text = excluded.text, html = excluded.html,
actor = excluded.actor, at = excluded.at`

	deleteDraft = `DELETE FROM drafts WHERE survey = $1 AND kind = $2 AND channel = $3 AND locale = $4`

	deletePublished = deleteDraft + ` AND subject = $5 AND text = $6 AND html = $7`
)

// SeedReleases stores each release as version 1, unless its survey has a release.
func (s *Store) SeedReleases(ctx context.Context, releases []survey.Release) error {
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		for _, r := range releases {
			var version int
			if err := one(ctx, t, currentVersion, []any{r.Survey}, &version); err != nil {
				return err
			}
			if version > 0 {
				continue
			}
			r.Version = 1
			if r.At.IsZero() {
				r.At = s.now()
			}
			if _, err := writeRelease(ctx, t, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeRelease reports whether the version was free.
func writeRelease(ctx context.Context, t *tx, r survey.Release) (bool, error) {
	texts, err := encodeJSON(r.Texts)
	if err != nil {
		return false, err
	}
	n, err := t.exec(ctx, insertRelease, r.Survey, int64(r.Version), texts, r.Actor, clean(r.Note), micros(r.At))
	return n == 1, err
}

// CurrentVersions gives the version of the current release of each survey that has one.
func (s *Store) CurrentVersions(ctx context.Context) (map[string]int, error) {
	versions := map[string]int{}
	rows, err := s.reader.query(ctx, currentVersions)
	err = each(rows, err, func(row scanner) error {
		var id string
		var version int
		err := row.Scan(&id, &version)
		versions[id] = version
		return err
	})
	return versions, err
}

// Release gives one release; survey.ErrNotFound when there is none. It never changes.
func (s *Store) Release(ctx context.Context, surveyID string, version int) (survey.Release, error) {
	items, err := s.releases(ctx, selectRelease, surveyID, int64(version))
	if err == nil && len(items) == 0 {
		err = survey.ErrNotFound
	}
	if err != nil {
		return survey.Release{}, err
	}
	return items[0], nil
}

// Releases lists the releases of a survey without their texts, newest first.
func (s *Store) Releases(ctx context.Context, surveyID string) ([]survey.Release, error) {
	return s.releases(ctx, selectReleases, surveyID)
}

func (s *Store) releases(ctx context.Context, text string, args ...any) ([]survey.Release, error) {
	var items []survey.Release
	rows, err := s.reader.query(ctx, text, args...)
	err = each(rows, err, func(row scanner) error {
		var r survey.Release
		var texts string
		var at int64
		if err := row.Scan(&r.Survey, &r.Version, &texts, &r.Actor, &r.Note, &at); err != nil {
			return err
		}
		r.At = moment(at)
		items = append(items, r)
		return decodeJSON(texts, &items[len(items)-1].Texts)
	})
	return items, err
}

// Publish makes texts, a whole new set, the current release, and removes the drafts that say the same: what somebody
// else drafted meanwhile stays.
// survey.ErrConflict when base is not the current version: somebody else published meanwhile. A survey without a
// release has version 0.
func (s *Store) Publish(ctx context.Context, surveyID string, base int, texts []survey.Text, actor, note string) (survey.Release, error) {
	r := survey.Release{Survey: surveyID, Version: base + 1, Texts: texts, Actor: actor, Note: note, At: stored(s.now())}
	err := s.other(ctx, func(ctx context.Context, t *tx) error {
		var version int
		if err := one(ctx, t, currentVersion, []any{surveyID}, &version); err != nil {
			return err
		}
		if version != base {
			return fmt.Errorf("publish %s: version is %d, not %d: %w", surveyID, version, base, survey.ErrConflict)
		}
		free, err := writeRelease(ctx, t, r)
		if err == nil && !free {
			err = fmt.Errorf("publish %s: %w", surveyID, survey.ErrConflict)
		}
		if err != nil {
			return err
		}
		for _, x := range texts {
			if err := t.later(ctx, deletePublished, surveyID, string(x.Kind), string(x.Channel), x.Locale, x.Subject, x.Text, x.HTML); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return survey.Release{}, err
	}
	return r, nil
}

// Drafts gives the unpublished texts of a survey, at most one for each kind, channel and locale.
func (s *Store) Drafts(ctx context.Context, surveyID string) ([]survey.Text, error) {
	var items []survey.Text
	rows, err := s.reader.query(ctx, selectDrafts, surveyID)
	err = each(rows, err, func(row scanner) error {
		var x survey.Text
		err := row.Scan((*string)(&x.Kind), (*string)(&x.Channel), &x.Locale, &x.Subject, &x.Text, &x.HTML)
		items = append(items, x)
		return err
	})
	return items, err
}

// SaveDraft keeps a text that is not published yet, in the place of an earlier draft of it.
func (s *Store) SaveDraft(ctx context.Context, surveyID string, x survey.Text, actor string) error {
	now := micros(s.now())
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, upsertDraft, surveyID, string(x.Kind), string(x.Channel), x.Locale, clean(x.Subject), clean(x.Text),
			clean(x.HTML), actor, now)
		return err
	})
}

// DropDraft forgets a draft; one that is not there is no error.
func (s *Store) DropDraft(ctx context.Context, surveyID string, kind survey.Kind, channel survey.Channel, locale string) error {
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, deleteDraft, surveyID, string(kind), string(channel), locale)
		return err
	})
}
