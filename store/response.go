package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/odziv/odziv/survey"
)

const (
	responseColumns = `id, send_id, mode, survey, survey_version, locale, complete, metric, score, segment, created_at, updated_at`

	responsesOfSends = `SELECT ` + responseColumns + ` FROM responses WHERE send_id IN (%s)`
	responsesOfIDs   = `SELECT ` + responseColumns + ` FROM responses WHERE id IN (%s)`

	selectAnswers = `SELECT response_id, place, question, value, text, channel, evidence, at FROM answers WHERE response_id IN (%s)`

	upsertResponses = `
INSERT INTO responses (` + responseColumns + `)
VALUES %s
ON CONFLICT (id) DO UPDATE SET locale = excluded.locale, complete = excluded.complete, metric = excluded.metric,
score = excluded.score, segment = excluded.segment, updated_at = excluded.updated_at`
	upsertResponsesShape = "tttttttttttt"

	upsertAnswers = `
INSERT INTO answers (response_id, question, place, value, text, channel, evidence, at)
VALUES %s
ON CONFLICT (response_id, question) DO UPDATE SET place = excluded.place, value = excluded.value, text = excluded.text,
channel = excluded.channel, evidence = excluded.evidence, at = excluded.at`
	upsertAnswersShape = "tttttttt"
)

// selectResponses gives the responses that text finds by values, with their answers.
func selectResponses(ctx context.Context, q querier, text string, values []string) ([]survey.Response, error) {
	var items []survey.Response
	err := in(ctx, q, text, values, func(rows scanner) error {
		r, err := scanResponse(rows)
		items = append(items, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return items, answersOf(ctx, q, items)
}

func scanResponse(rows scanner) (survey.Response, error) {
	var r survey.Response
	var created, updated int64
	err := rows.Scan(&r.ID, &r.SendID, (*string)(&r.Mode), &r.Survey, &r.SurveyVersion, &r.Locale, &r.Complete,
		(*string)(&r.Metric), &r.Score, (*string)(&r.Segment), &created, &updated)
	r.CreatedAt, r.UpdatedAt = moment(created), moment(updated)
	return r, err
}

// answersOf fills in the answers of responses.
func answersOf(ctx context.Context, q querier, items []survey.Response) error {
	type placed struct {
		place int64
		survey.Answer
	}
	by := map[string][]placed{}
	ids := make([]string, len(items))
	for i := range items {
		ids[i] = items[i].ID
	}
	err := in(ctx, q, selectAnswers, ids, func(rows scanner) error {
		var id string
		var a placed
		var value sql.NullInt64
		var at int64
		err := rows.Scan(&id, &a.place, &a.Question, &value, &a.Text, (*string)(&a.Channel), &a.Evidence, &at)
		if err != nil {
			return err
		}
		if value.Valid {
			v := int(value.Int64)
			a.Value = &v
		}
		a.At = moment(at)
		by[id] = append(by[id], a)
		return nil
	})
	if err != nil {
		return err
	}
	for i := range items {
		answers := by[items[i].ID]
		slices.SortFunc(answers, func(a, b placed) int { return int(a.place - b.place) })
		for _, a := range answers {
			items[i].Answers = append(items[i].Answers, a.Answer)
		}
	}
	return nil
}

func writeResponses(ctx context.Context, t *tx, responses []*survey.Response) error {
	err := t.insert(ctx, upsertResponses, upsertResponsesShape, len(responses), func(args []any, i int) []any {
		r := responses[i]
		return append(args, r.ID, r.SendID, string(r.Mode), r.Survey, int64(r.SurveyVersion), r.Locale, r.Complete,
			string(r.Metric), int64(r.Score), string(r.Segment), micros(r.CreatedAt), micros(r.UpdatedAt))
	}, nil)
	if err != nil {
		return fmt.Errorf("upsert responses: %w", err)
	}
	type row struct {
		id    string
		place int
		a     *survey.Answer
	}
	var rows []row
	for _, r := range responses {
		last := map[string]int{} // a later answer to the same question replaces the earlier
		for i := range r.Answers {
			last[r.Answers[i].Question] = i
		}
		for i := range r.Answers {
			if a := &r.Answers[i]; last[a.Question] == i {
				rows = append(rows, row{r.ID, i, a})
			}
		}
	}
	err = t.insert(ctx, upsertAnswers, upsertAnswersShape, len(rows), func(args []any, i int) []any {
		r := rows[i]
		var value any
		if r.a.Value != nil {
			value = int64(*r.a.Value)
		}
		return append(args, r.id, r.a.Question, int64(r.place), value, r.a.Text, string(r.a.Channel), r.a.Evidence, micros(r.a.At))
	}, nil)
	if err != nil {
		return fmt.Errorf("upsert answers: %w", err)
	}
	return nil
}

// Responses lists responses, newest first. next is "" at the end; where few are wanted among many, a page may have fewer than the
// limit, or none, and a next. survey.InvalidError when the cursor is none.
func (s *Store) Responses(ctx context.Context, f survey.ResponseFilter) (items []survey.Response, next string, err error) {
	if err := checkCursor(survey.ResponsePrefix, f.Cursor); err != nil {
		return nil, "", err
	}
	responses := list[survey.Response]{
		table: "responses", columns: responseColumns, scan: scanResponse, indexed: f.SendID != "",
		wanted: func(w *where) {
			w.add("mode = %s", string(f.Mode))
			w.add("survey = %s", f.Survey)
			w.add("send_id = %s", f.SendID)
			w.add("segment = %s", string(f.Segment))
		},
		id: func(r survey.Response) string { return r.ID },
	}
	if items, next, err = responses.page(ctx, s, f.Cursor, page(f.Limit)); err != nil {
		return nil, "", err
	}
	return items, next, answersOf(ctx, &s.reader, items)
}

// Response gives one response; survey.ErrNotFound when there is none.
func (s *Store) Response(ctx context.Context, id string) (survey.Response, error) {
	items, err := selectResponses(ctx, &s.reader, responsesOfIDs, []string{id})
	if err == nil && len(items) == 0 {
		err = survey.ErrNotFound
	}
	if err != nil {
		return survey.Response{}, err
	}
	return items[0], nil
}
