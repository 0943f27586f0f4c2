// A chain of registers without reset, which synthesis maps to shift registers.
module delay #(parameter WIDTH = 1, parameter CLOCKS = 1) (input clk, input [WIDTH - 1:0] inp, output [WIDTH - 1:0] out);
    reg [WIDTH * CLOCKS - 1:0] chain;
    always @(posedge clk)
        chain <= {chain, inp};
    assign out = chain[WIDTH * CLOCKS - 1 -: WIDTH];
endmodule
