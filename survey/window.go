package survey

import "time"

// A Window is the part of each day in which people may be written to, in minutes after their midnight; From == To is
// the whole day. From > To lasts over midnight.
type Window struct{ From, To int }

const (
	wholeDay = 24 * 60 // minutes
	// horizon is how far ahead an opening is looked for.
	horizon = 60 * 24 * time.Hour
)

// A span is a part of one local day, in minutes after midnight: from <= minute < to.
type span struct{ from, to int }

// hours reports whether there is any hour at which the policy does not write.
func (p *Policy) hours() bool { return p.Window != Window{} || len(p.Days) > 0 }

// spans are the parts of a local day in which the policy writes, the earliest first.
func (p *Policy) spans(day date, c *country) []span {
	if !p.OpenHolidays && c.holiday(day) {
		return nil
	}
	var out []span
	if w, ok := p.of(day.add(-1)); ok && w.From > w.To { // of the night before
		out = append(out, span{0, w.To})
	}
	switch w, ok := p.of(day); {
	case !ok:
	case w.From < w.To:
		out = append(out, span{w.From, w.To})
	case w.From > w.To:
		out = append(out, span{w.From, wholeDay})
	default:
		out = append(out, span{0, wholeDay})
	}
	legal, ok := c.legal(day)
	if !ok {
		return out
	}
	both := out[:0]
	for _, s := range out {
		if s = (span{max(s.from, legal.from), min(s.to, legal.to)}); s.from < s.to {
			both = append(both, s)
		}
	}
	return both
}

// of is the policy's window of a day, without holidays; false = closed.
func (p *Policy) of(day date) (Window, bool) {
	w, ok := p.Days[day.weekday()]
	if ok {
		return w, w != Window{}
	}
	return p.Window, true
}

// next is the first moment from now on at which the policy writes in a zone and country; false when there is none within
// the horizon.
func (p *Policy) next(now time.Time, zone *time.Location, c *country) (time.Time, bool) {
	last := dateOf(now.Add(horizon), zone)
	for day := dateOf(now, zone).add(-1); day.before(last); day = day.add(1) {
		for _, s := range p.spans(day, c) {
			if !day.at(s.to, zone, true).After(now) {
				continue
			}
			if open := day.at(s.from, zone, false); open.After(now) {
				return open, true
			}
			return now, true
		}
	}
	return time.Time{}, false
}

// nextInAll is the first moment from now on at which the policy writes in every zone.
func (p *Policy) nextInAll(now time.Time, zones []*time.Location, c *country) (time.Time, bool) {
	t := now
	for t.Sub(now) < horizon {
		latest := t
		for _, z := range zones {
			open, ok := p.next(t, z, c)
			if !ok {
				return time.Time{}, false
			}
			if open.After(latest) {
				latest = open
			}
		}
		if latest.Equal(t) {
			return t, true
		}
		t = latest
	}
	return time.Time{}, false
}

// opens is the first moment from now on at which the recipient may be written to, and what was looked at. A time far away
// says that there is none.
func (p *Policy) opens(r Recipient, now time.Time) (open time.Time, saw map[string]any) {
	where := p.Atlas.place(r, p.Zone)
	names := make([]string, len(where.zones))
	for i, z := range where.zones {
		names[i] = z.String()
	}
	first := where.zones[0]
	saw = map[string]any{"zone": names[0], "local": now.In(first).Format("15:04"), "from": where.from}
	if len(names) > 1 {
		saw["zone"], saw["zones"] = first.String(), names
	}
	if where.country != nil {
		saw["country"] = where.country.code
		if day := dateOf(now, first); !p.OpenHolidays && where.country.holiday(day) {
			saw["holiday"] = day.String()
		}
	}
	open, ok := p.nextInAll(now, where.zones, where.country)
	if !ok && len(where.zones) > 1 { // it is never day in all of them at once
		open, ok = p.next(now, first, where.country)
	}
	if !ok {
		open = now.Add(horizon)
	}
	return open, saw
}

// A date is a day of the calendar, as a time at its UTC midnight.
type date struct{ midnight time.Time }

func newDate(y int, m time.Month, d int) date { return date{time.Date(y, m, d, 0, 0, 0, 0, time.UTC)} }

func dateOf(t time.Time, zone *time.Location) date {
	y, m, d := t.In(zone).Date()
	return newDate(y, m, d)
}

func (d date) add(days int) date     { return date{d.midnight.AddDate(0, 0, days)} }
func (d date) before(e date) bool    { return d.midnight.Before(e.midnight) }
func (d date) weekday() time.Weekday { return d.midnight.Weekday() }
func (d date) String() string        { return d.midnight.Format(time.DateOnly) }

// at is the moment at which a clock of the zone shows minute of the day. A time that a change of clocks skips is the
// moment of the change. One that comes twice is its first coming, or with second its second.
func (d date) at(minute int, zone *time.Location, second bool) time.Time {
	shown := d.midnight.Add(time.Duration(minute) * time.Minute)
	_, before := shown.Add(-wholeDay * time.Minute).In(zone).Zone()
	_, after := shown.Add(wholeDay * time.Minute).In(zone).Zone()
	var moments []time.Time
	for _, offset := range []int{before, after} { // the greater offset comes first where both hold
		t := shown.Add(-time.Duration(offset) * time.Second)
		if _, at := t.In(zone).Zone(); at == offset {
			moments = append(moments, t)
		}
	}
	switch {
	case len(moments) == 0: // skipped: with the offset from before, the moment is after the change
		change, _ := shown.Add(-time.Duration(before) * time.Second).In(zone).ZoneBounds()
		return change
	case second:
		return moments[len(moments)-1]
	default:
		return moments[0]
	}
}
