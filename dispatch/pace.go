package dispatch

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// A pacer grants messages of a lane within its rates, however many processes ask.
type pacer struct{ rdb redis.UniversalClient }

// buckets is into how many parts a window is counted. A part counts until all of it has left the window, so a window of that length, wherever
// it begins, never holds more than its N, and a lane may be slower than its rate by one part in buckets.
const buckets = 128

// slack is added to every window: so much may the way from a grant to the provider differ between two messages.
const slack = 20 * time.Millisecond

// grantScript takes up to as many messages as wanted out of every window of a lane at once: all windows agree, or nothing is taken.
//
//	KEYS   one hash for each window: number of the part → messages granted in it
//	ARGV   wanted, then N and length in microseconds of each window
//	Output granted, and microseconds until more may be granted when less than wanted
var grantScript = redis.NewScript( //nolint:gochecknoglobals // a text and its hash, never changed
	`
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local want = tonumber(ARGV[1])
local wait = 0
local parts = ` + strconv.Itoa(buckets) + `
for i, key in ipairs(KEYS) do
	local max, per = tonumber(ARGV[i * 2]), tonumber(ARGV[i * 2 + 1])
	local length = per / parts
	local current = math.floor(now / length)
	local used, first = 0, nil
	local log = redis.call('HGETALL', key)
	for j = 1, #log, 2 do
		local part = tonumber(log[j])
		if part < current - parts then
			redis.call('HDEL', key, log[j])
		else
			used = used + tonumber(log[j + 1])
			if not first or part < first then first = part end
		end
	end
	if max - used < want then
		want = math.max(max - used, 0)
		wait = math.max(wait, ((first or current) + parts + 1) * length - now)
	end
end
if want > 0 then
	for i, key in ipairs(KEYS) do
		local per = tonumber(ARGV[i * 2 + 1])
		redis.call('HINCRBY', key, string.format('%.0f', math.floor(now / (per / parts))), want)
		redis.call('PEXPIRE', key, math.ceil(per / 1000) + 1000)
	end
end
return {want, math.ceil(wait)}
`)

// grant answers how many of want messages the lane may send now, and, when fewer, when to ask again.
func (p *pacer) grant(ctx context.Context, lane string, rates []Rate, want int) (n int, wait time.Duration, err error) {
	if len(rates) == 0 || want == 0 {
		return want, 0, nil
	}
	keys := make([]string, len(rates))
	args := make([]any, 0, 1+2*len(rates))
	args = append(args, want)
	for i, r := range rates {
		keys[i] = "odziv:{" + lane + "}:rate:" + strconv.FormatInt(r.Per.Milliseconds(), 10)
		args = append(args, r.N, (r.Per + slack).Microseconds())
	}
	got, err := grantScript.Run(ctx, p.rdb, keys, args...).Int64Slice()
	if err != nil {
		return 0, 0, fmt.Errorf("grant of lane %s: %w", lane, err)
	}
	if len(got) != 2 {
		return 0, 0, fmt.Errorf("grant of lane %s: %d results", lane, len(got))
	}
	return int(got[0]), time.Duration(got[1]) * time.Microsecond, nil
}
