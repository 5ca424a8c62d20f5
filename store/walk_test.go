package store_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// What is rare among many is found page by page, and no page looks at more than it may: pages may be short or empty, but nothing is left out
// and nothing comes twice.
func TestListsWalkInParts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const many = 60
		ids, responses := make([]string, many), make([]string, many)
		for i := range many {
			ids[i] = accept(t, s, newSend(i))[0].ID
		}
		rapid.Check(t, func(t *rapid.T) {
			every := rapid.IntRange(1, 70).Draw(t, "every")
			s.Walk(rapid.IntRange(1, 80).Draw(t, "walk"))
			limit := rapid.IntRange(1, 20).Draw(t, "limit")
			status := survey.Status(fmt.Sprintf("rare %d", every))
			var want, wantResponses []string
			for i := many - 1; i >= 0; i-- {
				if i%every != 0 {
					continue
				}
				st, err := s.Apply(t.Context(), ids[i], func(st *survey.State) error {
					st.Send.Status = status
					if st.Response == nil {
						st.Response = &survey.Response{Mode: survey.Live, CreatedAt: t0}
					}
					st.Response.Segment = survey.Segment(status)
					st.Response.UpdatedAt = st.Response.UpdatedAt.Add(1e6)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				want, responses[i] = append(want, ids[i]), st.Response.ID
			}
			for i := range many {
				if i%every == 0 {
					wantResponses = append(wantResponses, responses[i])
				}
			}
			var got, gotResponses []string
			for cursor := "first"; cursor != ""; {
				items, next, err := s.Sends(t.Context(), survey.SendFilter{Status: status, Limit: limit, Cursor: after(cursor)})
				if err != nil || len(items) > limit || next != "" && next >= cursor && cursor != "first" {
					t.Fatalf("%d sends, from %q to %q, %v", len(items), cursor, next, err)
				}
				for _, m := range items {
					got = append(got, m.ID)
				}
				cursor = next
			}
			for cursor := "first"; cursor != ""; {
				items, next, err := s.Responses(t.Context(), survey.ResponseFilter{Segment: survey.Segment(status), Limit: limit, Cursor: after(cursor)})
				if err != nil || len(items) > limit {
					t.Fatalf("%d responses, from %q to %q, %v", len(items), cursor, next, err)
				}
				for _, r := range items {
					gotResponses = append(gotResponses, r.ID)
				}
				cursor = next
			}
			if !slices.Equal(got, want) {
				t.Fatalf("sends %v; want %v", got, want)
			}
			slices.Sort(wantResponses) // they were made in another order
			slices.Reverse(gotResponses)
			if !slices.Equal(gotResponses, wantResponses) {
				t.Fatalf("responses %v; want %v", gotResponses, wantResponses)
			}
		})
	})
}

func after(cursor string) string {
	if cursor == "first" {
		return ""
	}
	return cursor
}

// A page that finds nothing where it may look says where to go on.
func TestListShortPage(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		rare := newSend(0)
		rare.Survey = "csat-after-support"
		want := accept(t, s, rare)[0].ID
		for i := range 25 {
			accept(t, s, newSend(i+1))
		}
		s.Walk(10)
		f := survey.SendFilter{Survey: rare.Survey}
		for page, found := range []int{0, 0, 1} {
			items, next, err := s.Sends(t.Context(), f)
			must(t, err)
			if len(items) != found || (next == "") != (page == 2) || found > 0 && items[0].ID != want {
				t.Errorf("page %d: %d sends, next %q", page, len(items), next)
			}
			f.Cursor = next
		}
	})
}
