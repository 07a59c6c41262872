// Which alerts fire, by Prometheus' own engine and templates: what `promtool test rules` does, without promtool.
//
// One request in JSON a line, one answer in JSON a line. Rules are evaluated once a step from the first sample on;
// an alert fires once its expression has held for as long as it says.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/template"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

type series struct {
	Labels map[string]string `json:"labels"`
	Values []*float64        `json:"values"`
}

type request struct {
	Rules  []rule   `json:"rules"`
	Series []series `json:"series"`
	StepS  int64    `json:"stepS"`
	AtS    int64    `json:"atS"`
	Page   *string  `json:"page"`
}

type firing struct {
	Alert       string            `json:"alert"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

type scraped struct {
	Labels map[string]string `json:"labels"`
	Value  string            `json:"value"`
}

type answer struct {
	Firing  []firing  `json:"firing"`
	Scraped []scraped `json:"scraped"`
	Error   string    `json:"error"`
}

type sample struct {
	t int64
	v float64
}

func (s sample) T() int64                      { return s.t }
func (s sample) F() float64                    { return s.v }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

type found struct {
	series []storage.Series
	place  int
}

func (f *found) Next() bool                        { f.place++; return f.place <= len(f.series) }
func (f *found) At() storage.Series                { return f.series[f.place-1] }
func (f *found) Err() error                        { return nil }
func (f *found) Warnings() annotations.Annotations { return nil }

func main() {
	lines := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1_000_000, Timeout: time.Minute})
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked request
		said := answer{Firing: []firing{}}
		if err := json.Unmarshal(line, &asked); err != nil {
			said.Error = err.Error()
		}
		held := stored(asked)
		for _, one := range asked.Rules {
			firing, err := judged(engine, held, asked, one)
			if err != nil {
				said.Error = one.Alert + ": " + err.Error()
				break
			}
			said.Firing = append(said.Firing, firing...)
		}
		if asked.Page != nil {
			said.Scraped, err = read(*asked.Page)
			if err != nil {
				said.Error = err.Error()
			}
		}
		if err := out.Encode(said); err != nil {
			return
		}
	}
}

// A page as a server reads what it has scraped.
func read(page string) ([]scraped, error) {
	parser, err := textparse.New([]byte(page), "text/plain; version=0.0.4", "", false, false, false, labels.NewSymbolTable())
	if err != nil {
		return nil, err
	}
	all := []scraped{}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, value := parser.Series()
		var found labels.Labels
		parser.Labels(&found)
		all = append(all, scraped{found.Map(), strconv.FormatFloat(value, 'g', -1, 64)})
	}
}

func stored(asked request) storage.Queryable {
	var all []storage.Series
	for _, one := range asked.Series {
		var samples []chunks.Sample
		for step, value := range one.Values {
			if value != nil {
				samples = append(samples, sample{int64(step) * asked.StepS * 1000, *value})
			}
		}
		all = append(all, storage.NewListSeries(labels.FromMap(one.Labels), samples))
	}
	selected := func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		set := &found{}
		for _, one := range all {
			matches := true
			for _, matcher := range matchers {
				matches = matches && matcher.Matches(one.Labels().Get(matcher.Name))
			}
			if matches {
				set.series = append(set.series, one)
			}
		}
		return set
	}
	return &storage.MockQueryable{MockQuerier: &storage.MockQuerier{SelectMockFunction: selected}}
}

func judged(engine *promql.Engine, held storage.Queryable, asked request, one rule) ([]firing, error) {
	wait, err := model.ParseDuration(one.For)
	if err != nil {
		return nil, err
	}
	since := map[string]int64{}
	var last promql.Vector
	for at := int64(0); at <= asked.AtS; at += asked.StepS {
		query, err := engine.NewInstantQuery(context.Background(), held, nil, one.Expr, time.Unix(at, 0))
		if err != nil {
			return nil, err
		}
		last, err = query.Exec(context.Background()).Vector()
		if err != nil {
			return nil, err
		}
		active := map[string]int64{}
		for _, sample := range last {
			key := sample.Metric.String()
			active[key] = at
			if from, held := since[key]; held {
				active[key] = from
			}
		}
		since = active
	}
	var fires []firing
	for _, sample := range last {
		if time.Duration(asked.AtS-since[sample.Metric.String()])*time.Second < time.Duration(wait) {
			continue
		}
		told, err := expanded(one, sample, asked.AtS)
		if err != nil {
			return nil, err
		}
		fires = append(fires, told)
	}
	return fires, nil
}

func expanded(one rule, sample promql.Sample, atS int64) (firing, error) {
	kept := sample.Metric.Map()
	delete(kept, labels.MetricName)
	data := template.AlertTemplateData(kept, nil, "", sample)
	prefix := "{{$labels := .Labels}}{{$value := .Value}}"
	told := firing{Alert: one.Alert, Labels: kept, Annotations: map[string]string{}}
	for name, text := range one.Annotations {
		expander := template.NewTemplateExpander(
			context.Background(), prefix+text, name, data, model.TimeFromUnix(atS), nil, &url.URL{}, nil)
		value, err := expander.Expand()
		if err != nil {
			return firing{}, err
		}
		told.Annotations[name] = value
	}
	for name, value := range one.Labels {
		told.Labels[name] = value
	}
	return told, nil
}
