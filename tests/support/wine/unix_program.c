/* A program of this machine for programs under Wine: FOLDER\NAME.exe calls the script FOLDER/NAME with the name of an answer
   and its own arguments. Wine starts the script, but neither waits for it nor gives it a pipe. So it finds its input in
   ANSWER.in, if there is any, and writes the files ANSWER.out and ANSWER.err, and at last ANSWER.status. */
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static void copy(FILE *from, FILE *to) {
  char bytes[65536];
  size_t count;
  if (!from || !to) exit(98);
  while ((count = fread(bytes, 1, sizeof bytes, from)) > 0) fwrite(bytes, 1, count, to);
}

static void answer_with(const char *name, FILE *to) {
  FILE *from = fopen(name, "rb");
  copy(from, to);
  fclose(from);
  DeleteFileA(name);
}

int main(void) {
  static char program[MAX_PATH], answer[MAX_PATH], file[MAX_PATH + 8], line[32768];
  char *arguments = GetCommandLineA(), status[16] = "";
  STARTUPINFOA start = {.cb = sizeof start};
  PROCESS_INFORMATION started;
  FILE *ended;
  GetModuleFileNameA(NULL, program, sizeof program);
  *strrchr(program, '.') = 0;
  snprintf(answer, sizeof answer, "%s.%lu", program, GetCurrentProcessId());
  arguments = *arguments == '"' ? strchr(arguments + 1, '"') + 1 : arguments + strcspn(arguments, " ");
  snprintf(line, sizeof line, "\"%s\" \"%s\"%s", program, answer, arguments);
  if (strstr(arguments, "--stdin")) {
    snprintf(file, sizeof file, "%s.in", answer);
    FILE *input = fopen(file, "wb");
    _setmode(0, 0x8000);
    copy(stdin, input);
    fclose(input);
  }
  if (!CreateProcessA(program, line, NULL, NULL, FALSE, 0, NULL, NULL, &start, &started)) return 99;
  snprintf(file, sizeof file, "%s.status", answer);
  while (!(ended = fopen(file, "rb"))) Sleep(2);
  fgets(status, sizeof status, ended);
  fclose(ended);
  DeleteFileA(file);
  _setmode(1, 0x8000);
  _setmode(2, 0x8000);
  snprintf(file, sizeof file, "%s.out", answer);
  answer_with(file, stdout);
  snprintf(file, sizeof file, "%s.err", answer);
  answer_with(file, stderr);
  return atoi(status);
}
