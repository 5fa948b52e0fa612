// What is served, as the discovery client and the REST mapper read it.
package clients

import (
	"encoding/json"
	"testing"

	"k8s.io/client-go/discovery"
)

func TestDiscovery(t *testing.T) {
	d := cs.Discovery()
	groups, lists, err := d.ServerGroupsAndResources()
	no(t, err)
	dl := discovery.NewDiscoveryClientForConfigOrDie(cfg)
	dl.UseLegacyDiscovery = true
	_, l2, err := dl.ServerGroupsAndResources()
	no(t, err)
	if len(lists) != len(l2) || len(groups) == 0 {
		t.Errorf("aggregated discovery has %d versions, legacy %d", len(lists), len(l2))
	}
	v, err := d.ServerVersion()
	no(t, err)
	if v.Major != "1" || v.Minor != "36" {
		t.Error(v)
	}
	o, err := d.OpenAPISchema()
	no(t, err)
	if len(o.Definitions.AdditionalProperties) < 500 {
		t.Error(len(o.Definitions.AdditionalProperties))
	}
	p, err := d.OpenAPIV3().Paths()
	no(t, err)
	for k, gv := range p {
		b, err := gv.Schema("application/json")
		if err != nil {
			t.Error(k, err)
		}
		var x map[string]any
		if err := json.Unmarshal(b, &x); err != nil || x["openapi"] != "3.0.0" {
			t.Error(k, err, x["openapi"])
		}
	}
}
