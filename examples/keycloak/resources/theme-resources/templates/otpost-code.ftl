<#import "template.ftl" as layout>
<@layout.registrationLayout; section>
  <#if section = "header">
    ${msg("otpostTitle")}
  <#elseif section = "form">
    <form action="${url.loginAction}" method="post">
      <div class="${properties.kcFormGroupClass!}">
        <label for="otpost-code" class="${properties.kcLabelClass!}">${msg("otpostCode")}</label>
        <input id="otpost-code" name="code" class="${properties.kcInputClass!}" inputmode="numeric"
          autocomplete="one-time-code" dir="ltr" autofocus>
      </div>
      <div class="${properties.kcFormGroupClass!}">
        <button class="${properties.kcButtonClass!} ${properties.kcButtonPrimaryClass!}">${msg("doLogIn")}</button>
        <button class="${properties.kcButtonClass!}" name="again" value="yes">${msg("otpostAgain")}</button>
      </div>
    </form>
  </#if>
</@layout.registrationLayout>
