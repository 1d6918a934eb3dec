import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import java.nio.file.Files;
import java.nio.file.Path;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

/** Validates files against FHIR STU3 as HL7 defines it, and prints one line for each error. */
public class Validate {
  public static void main(String[] files) throws Exception {
    FhirContext context = FhirContext.forDstu3();
    FhirInstanceValidator module = new FhirInstanceValidator(new ValidationSupportChain(
        new DefaultProfileValidationSupport(context), new CommonCodeSystemsTerminologyService(context),
        new InMemoryTerminologyServerValidationSupport(context)));
    // The NHS's profiles and extensions are in no registry: only FHIR's base definitions are checked.
    module.setAnyExtensionsAllowed(true);
    module.setErrorForUnknownProfiles(false);
    module.setNoTerminologyChecks(false);
    FhirValidator validator = context.newValidator().registerValidatorModule(module);
    for (String file : files) {
      validator.validateWithResult(Files.readString(Path.of(file))).getMessages().stream()
          .filter(message -> message.getSeverity().ordinal() >= ResultSeverityEnum.ERROR.ordinal())
          .filter(message -> !message.getMessage().contains("Failed to retrieve profile with url=https://fhir.nhs.uk/STU3/"))
          .forEach(message -> System.out.println(Path.of(file).getFileName() + " " + message.getLocationString() + " " + message.getMessage()));
    }
    System.out.println("validated " + files.length);
  }
}
