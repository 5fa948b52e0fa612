"""The official Python client, unchanged, against a running cluster: KUBECONFIG names it, NAMESPACE is where it may write.

TALKER is a namespace with a pod `talker` that knows the words `echo`, `warn`, `exit` and `cat`.
"""

import os
import tempfile
import threading
import time
import unittest

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError
from kubernetes.stream import stream

NAMESPACE = os.environ["NAMESPACE"]
TALKER = os.environ["TALKER"]
config.load_kube_config(os.environ["KUBECONFIG"])


def config_map(name, **data):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"of": "python"}), data=data)


class TypedCalls(unittest.TestCase):
    core = client.CoreV1Api()
    apps = client.AppsV1Api()

    def test_create_read_replace_patch_delete(self):
        made = self.core.create_namespaced_config_map(NAMESPACE, config_map("typed", a="b"))
        self.assertEqual(made.data, {"a": "b"})
        self.assertIsNotNone(made.metadata.creation_timestamp.tzinfo)
        made.data["c"] = "d"
        replaced = self.core.replace_namespaced_config_map("typed", NAMESPACE, made)
        self.assertEqual(replaced.data, {"a": "b", "c": "d"})
        with self.assertRaises(ApiException) as stale:
            self.core.replace_namespaced_config_map("typed", NAMESPACE, made)
        self.assertEqual((stale.exception.status, stale.exception.reason), (409, "Conflict"))
        patched = self.core.patch_namespaced_config_map("typed", NAMESPACE, {"data": {"a": None}})
        self.assertEqual(patched.data, {"c": "d"})
        listed = self.core.list_namespaced_config_map(NAMESPACE, label_selector="of=python", limit=1)
        self.assertEqual([item.metadata.name for item in listed.items], ["typed"])
        gone = self.core.delete_namespaced_config_map("typed", NAMESPACE)
        self.assertEqual(gone.status, "Success")
        with self.assertRaises(ApiException) as missing:
            self.core.read_namespaced_config_map("typed", NAMESPACE)
        self.assertEqual(missing.exception.status, 404)
        self.assertIn('configmaps \\"typed\\" not found', missing.exception.body)

    def test_what_is_invalid_names_its_fields(self):
        service = client.V1Service(metadata=client.V1ObjectMeta(name="bad"), spec=client.V1ServiceSpec(ports=[client.V1ServicePort(port=70000)]))
        with self.assertRaises(ApiException) as invalid:
            self.core.create_namespaced_service(NAMESPACE, service)
        self.assertEqual(invalid.exception.status, 422)
        self.assertIn("spec.ports[0].port", invalid.exception.body)

    def test_a_deployment_is_scaled(self):
        labels = {"app": "python"}
        container = client.V1Container(name="main", image="image:1", resources=client.V1ResourceRequirements(requests={"cpu": "100m"}))
        template = client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels=labels), spec=client.V1PodSpec(containers=[container]))
        spec = client.V1DeploymentSpec(replicas=1, selector=client.V1LabelSelector(match_labels=labels), template=template)
        self.apps.create_namespaced_deployment(NAMESPACE, client.V1Deployment(metadata=client.V1ObjectMeta(name="web"), spec=spec))
        scaled = self.apps.patch_namespaced_deployment_scale("web", NAMESPACE, {"spec": {"replicas": 3}})
        self.assertEqual(scaled.spec.replicas, 3)
        for event in watch.Watch().stream(self.apps.list_namespaced_deployment, NAMESPACE, timeout_seconds=120):
            if event["object"].status.ready_replicas == 3:
                break
        self.assertEqual(self.apps.read_namespaced_deployment_status("web", NAMESPACE).status.ready_replicas, 3)
        self.apps.delete_namespaced_deployment("web", NAMESPACE, propagation_policy="Background")


class Watches(unittest.TestCase):
    def test_a_watch_sees_what_happens_after_a_list(self):
        core = client.CoreV1Api()
        version = core.list_namespaced_secret(NAMESPACE).metadata.resource_version
        seen = []

        def look():
            following = watch.Watch()
            for event in following.stream(core.list_namespaced_secret, NAMESPACE, resource_version=version, timeout_seconds=120):
                seen.append((event["type"], event["object"].metadata.name))
                if event["type"] == "DELETED":
                    following.stop()

        looking = threading.Thread(target=look)
        looking.start()
        core.create_namespaced_secret(NAMESPACE, client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"a": "b"}))
        core.patch_namespaced_secret("s", NAMESPACE, {"stringData": {"c": "d"}})
        core.delete_namespaced_secret("s", NAMESPACE)
        looking.join(120)
        self.assertEqual(seen, [("ADDED", "s"), ("MODIFIED", "s"), ("DELETED", "s")])


class Containers(unittest.TestCase):
    core = client.CoreV1Api()

    def exec(self, *command, **options):
        call = self.core.connect_get_namespaced_pod_exec
        return stream(call, "talker", TALKER, container="main", command=list(command), stdout=True, stderr=True, **options)

    def test_exec_gives_what_the_command_writes(self):
        self.assertEqual(self.exec("echo", "a", "b").strip(), "a b")

    def test_exec_passes_input_and_tells_the_exit_code(self):
        talking = self.exec("exit", "3", stdin=True, _preload_content=False)
        talking.run_forever(timeout=60)
        self.assertEqual(talking.returncode, 3)
        warned = self.exec("warn", "careful", _preload_content=False)
        warned.run_forever(timeout=60)
        self.assertEqual(warned.read_stderr().strip(), "careful")

    def test_logs(self):
        # Preloaded, this version of the client gives the text of a bytes literal.
        log = self.core.read_namespaced_pod_log("talker", TALKER, container="side", tail_lines=1, _preload_content=False)
        self.assertEqual(log.data, b"side three\n")


class Dynamic(unittest.TestCase):
    def test_any_kind_by_its_name(self):
        any_kind = dynamic.DynamicClient(client.ApiClient())
        config_maps = any_kind.resources.get(api_version="v1", kind="ConfigMap")
        made = config_maps.create(namespace=NAMESPACE, body={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "any"}, "data": {"a": "b"}})
        self.assertEqual(made.data.a, "b")
        with self.assertRaises(ConflictError):
            config_maps.create(namespace=NAMESPACE, body=made.to_dict() | {"metadata": {"name": "any"}})
        applied = config_maps.server_side_apply(
            namespace=NAMESPACE, name="any", field_manager="python", force_conflicts=True,
            body={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "any"}, "data": {"a": "c"}},
        )
        self.assertEqual(applied.data.a, "c")
        config_maps.delete(namespace=NAMESPACE, name="any")
        with self.assertRaises(NotFoundError):
            config_maps.get(namespace=NAMESPACE, name="any")

    def test_a_custom_kind(self):
        any_kind = dynamic.DynamicClient(client.ApiClient())
        definitions = any_kind.resources.get(api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition")
        schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer", "minimum": 1}}}}}}
        definitions.create(body={
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "snakes.python.example.com"},
            "spec": {
                "group": "python.example.com", "scope": "Namespaced", "names": {"plural": "snakes", "kind": "Snake"},
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
            },
        })
        for event in definitions.watch(field_selector="metadata.name=snakes.python.example.com", timeout=120):
            conditions = event["raw_object"].get("status", {}).get("conditions", [])
            if any(each["type"] == "Established" and each["status"] == "True" for each in conditions):
                break
        custom = client.CustomObjectsApi()
        of = {"group": "python.example.com", "version": "v1", "namespace": NAMESPACE, "plural": "snakes"}
        body = {"apiVersion": "python.example.com/v1", "kind": "Snake", "metadata": {"name": "long"}, "spec": {"size": 3}}
        for _ in range(600):  # established is not yet served everywhere
            try:
                custom.list_namespaced_custom_object(**of)
                break
            except ApiException as missing:
                if missing.status != 404:
                    raise
                time.sleep(0.1)
        made = custom.create_namespaced_custom_object(**of, body=body)
        self.assertEqual(made["spec"], {"size": 3})
        with self.assertRaises(ApiException) as invalid:
            custom.patch_namespaced_custom_object(**of, name="long", body={"spec": {"size": 0}})
        self.assertEqual(invalid.exception.status, 422)
        custom.delete_namespaced_custom_object(**of, name="long")
        definitions.delete(name="snakes.python.example.com")


class Manifests(unittest.TestCase):
    def test_create_from_yaml(self):
        text = """
apiVersion: v1
kind: Service
metadata: {name: from-yaml}
spec: {selector: {app: x}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: from-yaml}
data: {a: b}
"""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as manifest:
            manifest.write(text)
            manifest.flush()
            utils.create_from_yaml(client.ApiClient(), manifest.name, namespace=NAMESPACE)
            with self.assertRaises(utils.FailToCreateError) as again:
                utils.create_from_yaml(client.ApiClient(), manifest.name, namespace=NAMESPACE)
        self.assertEqual([each.status for each in again.exception.api_exceptions], [409, 409])
        self.assertEqual(client.CoreV1Api().read_namespaced_service("from-yaml", NAMESPACE).spec.ports[0].port, 80)


if __name__ == "__main__":
    unittest.main()
