package survey_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/odziv/odziv/survey"
)

func newAtlas(t interface{ Fatal(...any) }) *survey.Atlas {
	a, err := survey.LoadAtlas()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// opens is when a message to the recipient may go, as the decision says.
func opens(t interface{ Fatalf(string, ...any) }, p survey.Policy, r survey.Recipient, now time.Time) time.Time {
	s := newState()
	s.Send.Recipient, s.Send.ExpiresAt = r, now.AddDate(1, 0, 0)
	switch d := survey.Decide(s, survey.Facts{}, p, now); d.Verdict {
	case survey.Go:
		return now
	case survey.Hold:
		if d.Reason != survey.ReasonWindow || !d.Until.After(now) {
			t.Fatalf("held for %q until %s at %s", d.Reason, d.Until, now)
		}
		return d.Until
	default:
		t.Fatalf("%s, %s", d.Verdict, d.Reason)
		return now
	}
}

func at(t interface{ Fatal(...any) }, zone, clock string) time.Time {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	v, err := time.ParseInLocation("2006-01-02 15:04", clock, loc)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func clock(from, to string) survey.Window {
	minute := func(s string) int { return int(s[0]-'0')*600 + int(s[1]-'0')*60 + int(s[3]-'0')*10 + int(s[4]-'0') }
	return survey.Window{From: minute(from), To: minute(to)}
}

// In each zone the clocks go forward from 02:00 to 03:00 on 29 March 2026, and back from 03:00 to 02:00 on 25 October; Tehran's
// have stood still since 2022.
func TestWindowAtChangesOfClocks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		w         survey.Window
		now, want string // UTC
	}{
		{"inside", day, "2026-11-20 11:00", "2026-11-20 11:00"},
		{"opens", day, "2026-11-20 08:00", "2026-11-20 08:00"},
		{"a minute before", day, "2026-11-20 07:59", "2026-11-20 08:00"},
		{"closed", day, "2026-11-20 19:00", "2026-11-21 08:00"},
		{"the night of the spring change", day, "2026-03-28 22:00", "2026-03-29 07:00"},
		{"the night of the autumn change", day, "2026-10-24 20:00", "2026-10-25 08:00"},
		{"an opening that does not exist opens with the change", clock("02:30", "10:00"), "2026-03-28 23:10", "2026-03-29 01:00"},
		{"and not a minute before", clock("02:30", "10:00"), "2026-03-29 00:59", "2026-03-29 01:00"},
		{"a doubled opening opens the first time", clock("02:30", "10:00"), "2026-10-24 22:10", "2026-10-25 00:30"},
		{"and stays open when the clocks go back", clock("02:30", "10:00"), "2026-10-25 01:10", "2026-10-25 01:10"},
		{"a doubled closing closes the second time", clock("00:30", "02:30"), "2026-10-25 01:29", "2026-10-25 01:29"},
		{"and then it is closed", clock("00:30", "02:30"), "2026-10-25 01:30", "2026-10-25 23:30"},
		{"a closing that does not exist closes with the change", clock("00:30", "02:30"), "2026-03-29 01:00", "2026-03-29 22:30"},
		{"a window that lies in the missing hour is not opened", clock("02:10", "02:50"), "2026-03-29 00:30", "2026-03-30 00:10"},
		{"over midnight, inside", clock("22:00", "06:00"), "2026-11-20 02:00", "2026-11-20 02:00"},
		{"over midnight, outside", clock("22:00", "06:00"), "2026-11-20 11:00", "2026-11-20 21:00"},
		{"over midnight and the change", clock("22:00", "06:00"), "2026-03-29 03:30", "2026-03-29 03:30"},
		{"over midnight, closed after the change", clock("22:00", "06:00"), "2026-03-29 04:00", "2026-03-29 20:00"},
		{"no window", survey.Window{}, "2026-11-20 02:00", "2026-11-20 02:00"},
	}
	for _, zone := range []string{"Europe/Zagreb", "Europe/Belgrade", "Europe/Warsaw"} {
		for _, tt := range tests {
			t.Run(zone+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				got := opens(t, survey.Policy{Window: tt.w}, survey.Recipient{Timezone: zone}, at(t, "UTC", tt.now))
				if !got.Equal(at(t, "UTC", tt.want)) {
					t.Errorf("after %s opens %s, want %s", tt.now, got.UTC().Format("2006-01-02 15:04"), tt.want)
				}
			})
		}
	}
	for _, date := range []string{"2026-03-21", "2026-03-22", "2026-03-29", "2026-09-21", "2026-09-22", "2026-10-25"} {
		t.Run("Tehran "+date, func(t *testing.T) {
			t.Parallel()
			p := survey.Policy{Window: day, Atlas: newAtlas(t), OpenHolidays: true}
			got := opens(t, p, survey.Recipient{Phone: "+989121234567"}, at(t, "UTC", date+" 01:00"))
			if want := at(t, "UTC", date+" 05:30"); !got.Equal(want) {
				t.Errorf("opens %s, want %s: the clocks of Tehran do not change", got.UTC(), want)
			}
		})
	}
}

func TestWindowOfPhones(t *testing.T) {
	t.Parallel()
	p := survey.Policy{Window: day, Zone: at(t, "Europe/Zagreb", "2026-01-01 00:00").Location(), Atlas: newAtlas(t)}
	tests := []struct {
		name      string
		r         survey.Recipient
		now, want string // UTC
	}{
		{"Croatia", survey.Recipient{Phone: "+385911234567"}, "2026-07-15 03:00", "2026-07-15 07:00"},
		{"Serbia", survey.Recipient{Phone: "+381601234567"}, "2026-12-15 03:00", "2026-12-15 08:00"},
		{"Poland", survey.Recipient{Phone: "+48601234567"}, "2026-12-15 03:00", "2026-12-15 08:00"},
		{"the request wins", survey.Recipient{Phone: "+385911234567", Timezone: "America/New_York"}, "2026-12-15 03:00", "2026-12-15 14:00"},
		{"an unknown zone in the request", survey.Recipient{Phone: "+48601234567", Timezone: "Mars/Base"}, "2026-12-15 03:00", "2026-12-15 08:00"},
		{"email only: the brand's", survey.Recipient{Email: "ana@example.hr"}, "2026-07-15 03:00", "2026-07-15 07:00"},
		{"New York by area", survey.Recipient{Phone: "+12125550123"}, "2026-12-15 03:00", "2026-12-15 14:00"},
		{"Los Angeles by area", survey.Recipient{Phone: "+12135550123"}, "2026-12-15 05:00", "2026-12-15 17:00"},
		{"Arizona has no summer time", survey.Recipient{Phone: "+16025550123"}, "2026-07-15 14:00", "2026-07-15 16:00"},
		{"an area in two zones", survey.Recipient{Phone: "+17015550123"}, "2026-12-15 03:00", "2026-12-15 16:00"},
		{"toll free: day from New York to Honolulu", survey.Recipient{Phone: "+18005550123"}, "2026-12-15 03:00", "2026-12-15 19:00"},
		{"Moscow by area", survey.Recipient{Phone: "+74951234567"}, "2026-12-15 03:00", "2026-12-15 06:00"},
		{"a Russian mobile: day from Kaliningrad to Kamchatka", survey.Recipient{Phone: "+79161234567"}, "2026-12-15 03:00", "2026-12-15 07:00"},
		{"its hour is over", survey.Recipient{Phone: "+79161234567"}, "2026-12-15 08:00", "2026-12-16 07:00"},
		{"Kazakhstan", survey.Recipient{Phone: "+77011234567"}, "2026-12-15 00:00", "2026-12-15 04:00"},
		{"Acre", survey.Recipient{Phone: "+5568912345678"}, "2026-12-15 03:00", "2026-12-15 14:00"},
		{"São Paulo", survey.Recipient{Phone: "+5511912345678"}, "2026-12-15 03:00", "2026-12-15 12:00"},
		{"Perth", survey.Recipient{Phone: "+61861234567"}, "2026-12-15 00:00", "2026-12-15 01:00"},
		{"an Australian mobile: day in Perth too", survey.Recipient{Phone: "+61412345678"}, "2026-12-15 00:00", "2026-12-15 01:00"},
		{"an Australian mobile: night in Sydney", survey.Recipient{Phone: "+61412345678"}, "2026-12-15 09:00", "2026-12-16 01:00"},
		{"Jayapura", survey.Recipient{Phone: "+62967123456"}, "2026-12-14 23:00", "2026-12-15 00:00"},
		{"Tijuana", survey.Recipient{Phone: "+526641234567"}, "2026-12-15 04:30", "2026-12-15 17:00"},
		{"Tashkent", survey.Recipient{Phone: "+998901234567"}, "2026-12-15 00:00", "2026-12-15 04:00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := opens(t, p, tt.r, at(t, "UTC", tt.now)); !got.Equal(at(t, "UTC", tt.want)) {
				t.Errorf("after %s opens %s, want %s", tt.now, got.UTC().Format("2006-01-02 15:04"), tt.want)
			}
		})
	}
}

// When no hour is day in all zones of a number, the first zone is taken: the message is not held for ever.
func TestWindowWithoutCommonHour(t *testing.T) {
	t.Parallel()
	p := survey.Policy{Window: clock("09:00", "12:00"), Atlas: newAtlas(t)}
	got := opens(t, p, survey.Recipient{Phone: "+79161234567"}, at(t, "UTC", "2026-12-15 03:00"))
	if want := at(t, "Europe/Moscow", "2026-12-15 09:00"); !got.Equal(want) {
		t.Errorf("opens %s, want %s", got.UTC(), want.UTC())
	}
}

func TestWindowOfDays(t *testing.T) {
	t.Parallel()
	days := map[time.Weekday]survey.Window{time.Saturday: clock("10:00", "14:00"), time.Sunday: {}}
	p := survey.Policy{Window: day, Days: days, Atlas: newAtlas(t)}
	open := p
	open.OpenHolidays = true
	hr, fr, us, ir := "+385911234567", "+33612345678", "+12125550123", "+989121234567"
	tests := []struct {
		name, phone string
		p           survey.Policy
		now, want   string // in the zone of the phone
	}{
		{"Friday night: Saturday's hours", hr, p, "2026-11-20 21:00", "2026-11-21 10:00"},
		{"Saturday afternoon: over Sunday", hr, p, "2026-11-21 14:00", "2026-11-23 09:00"},
		{"a holiday", hr, p, "2026-11-18 10:00", "2026-11-19 09:00"},
		{"a holiday that is a day like others", hr, open, "2026-11-18 10:00", "2026-11-18 10:00"},
		{"Easter Monday", hr, p, "2026-04-06 10:00", "2026-04-07 09:00"},
		{"Corpus Christi", hr, p, "2028-06-15 10:00", "2028-06-16 09:00"},
		{"Christmas on Friday and Saturday", hr, p, "2026-12-24 20:30", "2026-12-28 09:00"},
		{"Orthodox Good Friday to Monday", "+381601234567", p, "2026-04-09 21:00", "2026-04-14 09:00"},
		{"Christmas Eve in Poland", "+48601234567", p, "2026-12-24 10:00", "2026-12-28 09:00"},
		{"a holiday of another country", "+48601234567", p, "2026-11-18 10:00", "2026-11-18 10:00"},
		{"Nowruz", ir, p, "2026-03-23 10:00", "2026-03-25 09:00"},
		{"a year that is not known", ir, p, "2028-03-21 10:00", "2028-03-21 10:00"},
		{"France is closed on Sunday by its operators' code", fr, survey.Policy{Window: clock("00:00", "24:00"), Atlas: p.Atlas}, "2026-11-22 12:00", "2026-11-23 08:00"},
		{"and on holidays whatever the policy", fr, survey.Policy{Window: day, OpenHolidays: true, Atlas: p.Atlas}, "2026-07-14 12:00", "2026-07-15 09:00"},
		{"the law shortens the evening", us, survey.Policy{Window: clock("07:00", "23:00"), Atlas: p.Atlas}, "2026-11-20 20:00", "2026-11-21 08:00"},
		{"a law does not widen the policy", ir, survey.Policy{Window: day, Atlas: p.Atlas}, "2026-11-20 20:00", "2026-11-21 09:00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := survey.Recipient{Phone: tt.phone}
			zone := tt.p.Atlas.Zone(r, nil).String()
			if got := opens(t, tt.p, r, at(t, zone, tt.now)); !got.Equal(at(t, zone, tt.want)) {
				t.Errorf("after %s opens %s, want %s", tt.now, got.Format("2006-01-02 15:04"), tt.want)
			}
		})
	}
}

// What the decision lets go is inside the window by the clock on the wall, in every zone that the number may lie in, and what
// it holds comes out within two days.
func TestWindowNeverOutside(t *testing.T) {
	t.Parallel()
	zones := []string{"Europe/Zagreb", "Europe/Belgrade", "Europe/Warsaw", "Asia/Tehran", "America/St_Johns", "Australia/Lord_Howe", "UTC"}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(zones).Draw(t, "zone")
		from := rapid.IntRange(0, 1438).Draw(t, "from")
		w := survey.Window{From: from, To: rapid.IntRange(from+1, 1440).Draw(t, "to")}
		now := time.Unix(rapid.Int64Range(1.76e9, 1.86e9).Draw(t, "now"), 0)
		p := survey.Policy{Window: w}
		got := opens(t, p, survey.Recipient{Timezone: name}, now)
		if got.Before(now) || got.Sub(now) > 49*time.Hour {
			t.Fatalf("from %s opens %s", now, got)
		}
		if again := opens(t, p, survey.Recipient{Timezone: name}, got); !again.Equal(got) {
			t.Fatalf("%s is not inside %+v", got, w)
		}
		local := at(t, name, "2026-01-01 00:00").Location()
		inside := func(x time.Time) bool {
			minute := x.In(local).Hour()*60 + x.In(local).Minute()
			return minute >= w.From && minute < w.To
		}
		// Within an hour after the clocks went back the wall may show a time of the other pass.
		if !inside(got) && !inside(got.Add(-time.Hour)) && !inside(got.Add(-30*time.Minute)) {
			t.Fatalf("%s is outside of %+v in %s", got.In(local), w, name)
		}
	})
}

// A number whose zone is not known is written to when it is day in all zones of its country.
func TestWindowNeverOutsideInAnyZone(t *testing.T) {
	t.Parallel()
	p := survey.Policy{Window: day, Atlas: newAtlas(t)}
	countries := map[string][]string{
		"+79161234567":  {"Europe/Kaliningrad", "Europe/Moscow", "Asia/Vladivostok", "Asia/Kamchatka"},
		"+18005550123":  {"America/New_York", "America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu"},
		"+61412345678":  {"Australia/Sydney", "Australia/Brisbane", "Australia/Darwin", "Australia/Perth"},
		"+628123456789": {"Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"},
		"+34612345678":  {"Europe/Madrid", "Atlantic/Canary"},
	}
	rapid.Check(t, func(t *rapid.T) {
		phone := rapid.SampledFrom([]string{"+79161234567", "+18005550123", "+61412345678", "+628123456789", "+34612345678"}).Draw(t, "phone")
		now := time.Unix(rapid.Int64Range(1.76e9, 1.86e9).Draw(t, "now"), 0)
		got := opens(t, p, survey.Recipient{Phone: phone}, now)
		for _, name := range countries[phone] {
			local := got.In(at(t, name, "2026-01-01 00:00").Location())
			if h := local.Hour(); h < 9 || h >= 20 {
				t.Fatalf("%s is written to at %s", phone, local)
			}
		}
	})
}
