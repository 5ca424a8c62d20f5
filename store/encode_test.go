package store

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
)

// filled sets every member of a flat struct: a member that is added and not encoded is found here.
func filled[T any](t *testing.T) T {
	t.Helper()
	var v T
	r := reflect.ValueOf(&v).Elem()
	for i := range r.NumField() {
		switch f := r.Field(i); f.Kind() {
		case reflect.String:
			f.SetString("ž\"" + r.Type().Field(i).Name)
		case reflect.Int, reflect.Int64:
			f.SetInt(int64(i + 1))
		case reflect.Bool:
			f.SetBool(true)
		default:
			t.Fatalf("%s is a %s: teach the test", r.Type().Field(i).Name, f.Kind())
		}
	}
	return v
}

func TestEncodePlan(t *testing.T) {
	t.Parallel()
	var s Store
	for _, plan := range [][]survey.Step{
		nil,
		{},
		{{Channel: survey.SMS, Sender: "sms"}},
		{
			{Channel: survey.Viber, Sender: "bot", Success: survey.AttemptDelivered, Wait: time.Hour},
			{Kind: survey.Reminder, Success: survey.AttemptAnswered, After: 72 * time.Hour},
			filled[survey.Step](t),
		},
	} {
		got, err := s.decodePlan(encodePlan(plan))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(plan, got); d != "" {
			t.Errorf("plan (-want +got):\n%s", d)
		}
	}
}

func TestEncodeThread(t *testing.T) {
	t.Parallel()
	for _, thread := range []survey.Thread{{}, {Clarified: true}, {Survey: "short", Version: 2, Looked: 3}, filled[survey.Thread](t)} {
		var got, plain survey.Thread
		text := encodeThread(&thread)
		if err := decodeJSON(text, &got); err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(thread)
		if err == nil {
			err = json.Unmarshal(want, &plain)
		}
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(plain, got); d != "" {
			t.Errorf("thread %s (-want +got):\n%s", text, d)
		}
	}
}

func FuzzHistory(f *testing.F) {
	f.Add("I 1 snd_1 sms nps delivery\n", "snd_2", "touch point\n%")
	f.Add("X 1 snd_1\nI 1 snd_1 sms nps delivery\nA 7 snd_1 sms nps deliv", "snd_1", "")
	f.Add("I 99999999999999999999 %zz % %4 \n\n", "", "%41")
	f.Fuzz(func(t *testing.T, text, send, touchpoint string) {
		past := map[string]survey.Past{}
		readHistory(text, "", past) // whatever it is, it ends
		m := survey.Send{ID: send, Survey: "nps", Transaction: survey.Transaction{Touchpoint: touchpoint}}
		line := invitedLine(1763647200123456, &m, survey.SMS)
		if strings.Count(line, "\n") != 1 || strings.Count(line, " ") != 5 {
			t.Errorf("line %q", line)
		}
		past = map[string]survey.Past{}
		readHistory(line+text, "snd_other", past)
		if p, ok := past[send]; !ok || p.SendID != send {
			t.Errorf("%q is not in what was read of %q: %+v", send, line, past)
		}
		alone := map[string]survey.Past{}
		readHistory(line, "snd_other", alone)
		if p := alone[send]; p.Touchpoint != touchpoint || p.InvitedAt != moment(1763647200123456) {
			t.Errorf("read %+v, wrote %q", p, touchpoint)
		}
	})
}
