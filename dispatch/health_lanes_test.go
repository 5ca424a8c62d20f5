package dispatch_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/dispatch"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// Every sender has a state, without a word from Redis too; who is unknown cannot be resumed.
func TestLanes(t *testing.T) {
	t.Parallel()
	g := newRig(t, storetest.Open(t, storetest.SQLite))
	g.cfg.Now = g.Now
	d, err := dispatch.New(g.cfg)
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Lanes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []survey.LaneState{{Name: "bot", State: "ok", Factor: 1}, {Name: "mail", State: "ok", Factor: 1}, {Name: "sms", State: "ok", Factor: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := d.Resume(t.Context(), "sms"); err != nil {
		t.Error(err)
	}
	if err := d.Resume(t.Context(), "smz"); !errors.Is(err, survey.ErrNotFound) {
		t.Errorf("%v; want ErrNotFound", err)
	}
}
