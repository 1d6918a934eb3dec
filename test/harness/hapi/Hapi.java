import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.ConceptValidationOptions;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.context.support.ValidationSupportContext;
import ca.uhn.fhir.parser.DataFormatException;
import ca.uhn.fhir.parser.IParser;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;

/**
 * HAPI's validator as a server on standard input and output, one JSON object a line. The first line names folders of
 * definitions: {"STU3": ["/dir"], "R4": []}. Each further line is {"release": "STU3", "file": "/path"} and is answered
 * by {"issues": [{severity, messageId, location, text}]} or {"failed": "why"}.
 */
public class Hapi {
  /** Terminologies that may not be shipped: their codes are taken as given, unless a value set lists codes by name. */
  private static final Set<String> NOT_INSTALLED = Set.of("http://snomed.info/sct", "https://dmd.nhs.uk",
      "http://dmd.nhs.uk", "http://loinc.org", "http://read.info/readv2", "http://read.info/ctv3",
      "http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-uk", "https://fhir.hl7.org.uk/Id/opcs-4",
      "http://fhir.hl7.org.uk/opcs-4", "http://unitsofmeasure.org");

  public static void main(String[] arguments) throws Exception {
    PrintStream answers = System.out;
    // What HAPI prints itself must not stand between the answers.
    System.setOut(System.err);
    ObjectMapper json = new ObjectMapper();
    BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    JsonNode folders = json.readTree(requests.readLine());
    Map<String, FhirValidator> validators = new HashMap<>();
    for (String line = requests.readLine(); line != null; line = requests.readLine()) {
      Map<String, Object> answer = new HashMap<>();
      try {
        JsonNode request = json.readTree(line);
        String release = request.get("release").asText();
        if (!validators.containsKey(release)) validators.put(release, validator(release, folders.path(release)));
        answer.put("issues", issues(validators.get(release), read(Path.of(request.get("file").asText()))));
      } catch (Exception | Error failure) {
        answer.put("failed", failure.toString());
      }
      answers.println(json.writeValueAsString(answer));
      answers.flush();
    }
  }

  private static List<Map<String, String>> issues(FhirValidator validator, String text) {
    Set<Map<String, String>> issues = new LinkedHashSet<>();
    for (SingleValidationMessage message : validator.validateWithResult(text).getMessages())
      issues.add(Map.of("severity", message.getSeverity().getCode(),
          "messageId", message.getMessageId() == null ? "" : message.getMessageId(),
          "location", message.getLocationString() == null ? "" : message.getLocationString().replaceAll("/\\*.*?\\*/", ""),
          "text", message.getMessage()));
    return new ArrayList<>(issues);
  }

  private static FhirValidator validator(String release, JsonNode folders) throws IOException {
    FhirContext context = release.equals("STU3") ? FhirContext.forDstu3() : FhirContext.forR4();
    PrePopulatedValidationSupport profiles = new PrePopulatedValidationSupport(context);
    for (JsonNode folder : folders) load(context, profiles, Path.of(folder.asText()));
    FhirInstanceValidator module = new FhirInstanceValidator(new ValidationSupportChain(profiles,
        new DefaultProfileValidationSupport(context), new SnapshotGeneratingValidationSupport(context),
        new CommonCodeSystemsTerminologyService(context), new TakenAsGiven(context),
        new InMemoryTerminologyServerValidationSupport(context)));
    module.setAnyExtensionsAllowed(true);
    module.setErrorForUnknownProfiles(false);
    module.setBestPracticeWarningLevel(BestPracticeWarningLevel.Ignore);
    return context.newValidator().registerValidatorModule(module);
  }

  /** Files in folders named "corrected" come first: the published ones of the same canonical are left out. */
  private static void load(FhirContext context, PrePopulatedValidationSupport profiles, Path folder) throws IOException {
    Set<String> known = new HashSet<>();
    List<Path> files;
    try (Stream<Path> walk = Files.walk(folder)) {
      files = walk.filter(file -> file.toString().matches(".*\\.(xml|json)(\\.gz)?"))
          .filter(file -> !file.getFileName().toString().matches("(package|\\.?index)\\.json"))
          .sorted((one, other) -> Boolean.compare(isCorrected(other), isCorrected(one))).toList();
    }
    for (Path file : files) {
      String text = read(file);
      boolean xml = text.stripLeading().startsWith("<");
      try {
        IBaseResource resource = (xml ? context.newXmlParser() : context.newJsonParser()).parseResource(text);
        String url = context.newTerser().getSinglePrimitiveValueOrNull(resource, "url");
        boolean isDefinition = Set.of("StructureDefinition", "ValueSet", "CodeSystem").contains(resource.fhirType());
        if (isDefinition && known.add(resource.fhirType() + " " + url)) profiles.addResource(resource);
      } catch (DataFormatException fault) {
        // Some published files are no FHIR (a time zone without a colon).
        System.err.println(file + ": " + fault.getMessage());
      }
    }
  }

  private static boolean isCorrected(Path file) {
    return file.getParent().endsWith("corrected");
  }

  private static String read(Path file) throws IOException {
    try (InputStream raw = Files.newInputStream(file)) {
      InputStream bytes = file.toString().endsWith(".gz") ? new GZIPInputStream(raw) : raw;
      String text = new String(bytes.readAllBytes(), StandardCharsets.UTF_8);
      return text.startsWith("\uFEFF") ? text.substring(1) : text;
    }
  }

  /** Says yes to codes of terminologies that are not here, and looks at lists of them that a value set spells out. */
  private static class TakenAsGiven implements IValidationSupport {
    private final FhirContext context;
    private final IParser parser;
    private final ObjectMapper json = new ObjectMapper();
    private final Map<String, JsonNode> valueSets = new HashMap<>();

    TakenAsGiven(FhirContext context) {
      this.context = context;
      parser = context.newJsonParser();
    }

    @Override
    public FhirContext getFhirContext() {
      return context;
    }

    @Override
    public boolean isCodeSystemSupported(ValidationSupportContext chain, String system) {
      return NOT_INSTALLED.contains(system);
    }

    /** The chain asks only who supports a value set. */
    @Override
    public boolean isValueSetSupported(ValidationSupportContext chain, String url) {
      IBaseResource valueSet = chain.getRootValidationSupport().fetchValueSet(url);
      return valueSet != null && mentions(chain, asJson(valueSet), 0);
    }

    private boolean mentions(ValidationSupportContext chain, JsonNode valueSet, int depth) {
      for (JsonNode include : valueSet.path("compose").path("include")) {
        if (NOT_INSTALLED.contains(include.path("system").asText())) return true;
        for (JsonNode url : include.path("valueSet")) {
          IBaseResource other = chain.getRootValidationSupport().fetchValueSet(url.asText());
          if (other != null && depth < 8 && mentions(chain, asJson(other), depth + 1)) return true;
        }
      }
      return false;
    }

    @Override
    public CodeValidationResult validateCode(ValidationSupportContext chain, ConceptValidationOptions options,
        String system, String code, String display, String valueSetUrl) {
      if (!NOT_INSTALLED.contains(system)) return null;
      if (valueSetUrl == null || valueSetUrl.isBlank()) return taken(code, display);
      IBaseResource valueSet = chain.getRootValidationSupport().fetchValueSet(valueSetUrl);
      return valueSet == null ? null : validateCodeInValueSet(chain, options, system, code, display, valueSet);
    }

    @Override
    public CodeValidationResult validateCodeInValueSet(ValidationSupportContext chain, ConceptValidationOptions options,
        String system, String code, String display, IBaseResource valueSet) {
      if (!NOT_INSTALLED.contains(system)) return null;
      return mayContain(chain, system, code, asJson(valueSet), 0) ? taken(code, display) : null;
    }

    private boolean mayContain(ValidationSupportContext chain, String system, String code, JsonNode valueSet, int depth) {
      for (JsonNode include : valueSet.path("compose").path("include")) {
        if (include.path("system").asText().equals(system)) {
          if (!include.has("concept")) return true;
          for (JsonNode concept : include.path("concept")) if (concept.path("code").asText().equals(code)) return true;
        }
        for (JsonNode url : include.path("valueSet")) {
          IBaseResource other = chain.getRootValidationSupport().fetchValueSet(url.asText());
          if (other != null && depth < 8 && mayContain(chain, system, code, asJson(other), depth + 1)) return true;
        }
      }
      return false;
    }

    private JsonNode asJson(IBaseResource valueSet) {
      return valueSets.computeIfAbsent(Integer.toString(System.identityHashCode(valueSet)), (key) -> {
        try {
          return json.readTree(parser.encodeResourceToString(valueSet));
        } catch (IOException failure) {
          throw new IllegalStateException(failure);
        }
      });
    }

    private static CodeValidationResult taken(String code, String display) {
      return new CodeValidationResult().setCode(code).setDisplay(display);
    }
  }
}
